// Command demo shows the main job on two real PostgreSQL servers that it
// starts itself: the nine commands of the tutorial as typed, rows arriving, an
// outage and the catching up, a sequence, a resync, the latency, and at the
// end both sides compared.
//
//	make demo            run it; nothing of it is left afterwards
//	KEEP=1 make demo     leave servers and daemons running, say how to stop them
//	go run ./test/demo -record docs/demo.svg    what README shows
//
// Everything it makes lies in .demo/. Servers are those found on the machine,
// else Debian's packages unpacked there.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/pgserver"
)

func main() {
	dir := flag.String("dir", ".demo", "folder for everything the demo makes")
	pgbin := flag.String("pgbin", "", "folder of initdb and postgres to use")
	stop := flag.Bool("stop", false, "stop what a demo with KEEP=1 left running, and remove it")
	record := flag.String("record", "", "SVG file to write a recording of what is printed to")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	abs, err := filepath.Abs(*dir)
	if err == nil {
		tape := &recorder{Writer: os.Stdout}
		d := &demo{dir: abs, pgbin: *pgbin, keep: os.Getenv("KEEP") != "", out: tape, began: time.Now()}
		if *stop {
			err = d.stop(ctx)
		} else {
			err = d.run(ctx)
		}
		if err == nil && *record != "" {
			err = tape.save(*record)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo: error:", err)
		if h := hint.Of(err); h != "" {
			fmt.Fprintln(os.Stderr, "hint:", h)
		}
		os.Exit(1)
	}
}

// demo is one run. Steps print a line each with the time they took.
type demo struct {
	dir, pgbin           string
	keep                 bool
	out                  io.Writer
	began                time.Time
	provider, subscriber *side
}

func (d *demo) run(ctx context.Context) (err error) {
	if err := d.clear(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.leave(err)) }()
	return d.story(ctx)
}

// story is the demo in order.
func (d *demo) story(ctx context.Context) error {
	for _, part := range []func(context.Context) error{
		d.findServers, d.startServers, d.build, d.makeDatabases,
		d.tutorial, d.rowsArrive, d.outage, d.subscriberWrites, d.sequence, d.resync, d.latency, d.compare,
	} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// step runs one step and prints its line: how long it took and what came of it.
func (d *demo) step(what string, f func() (result string, err error)) error {
	start := time.Now()
	result, err := f()
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if result != "" {
		what += ": " + result
	}
	fmt.Fprintf(d.out, "%7.2f s  %s\n", time.Since(start).Seconds(), what)
	return nil
}

func (d *demo) findServers(ctx context.Context) error {
	return d.step("PostgreSQL", func() (string, error) {
		found, err := pgserver.Find(ctx, pgserver.FindOptions{
			Dir: d.pgbin, Unpack: filepath.Join(d.dir, "pg"),
			Log: func(format string, a ...any) { fmt.Fprintf(d.out, "           "+format+"\n", a...) },
		})
		if err != nil {
			return "", err
		}
		d.provider = &side{name: "provider", dir: filepath.Join(d.dir, "provider"), programs: found}
		d.subscriber = &side{name: "subscriber", dir: filepath.Join(d.dir, "subscriber"), programs: found}
		return fmt.Sprintf("version %d, %s (%s)", found.Major, found.Dir, found.Source), nil
	})
}

func (d *demo) startServers(ctx context.Context) error {
	return d.step("two servers", func() (string, error) {
		for _, s := range []*side{d.provider, d.subscriber} {
			if err := s.start(ctx, d.keep); err != nil {
				return "", err
			}
		}
		return fmt.Sprintf("provider on port %d, subscriber on port %d", d.provider.server.Port(), d.subscriber.server.Port()), nil
	})
}

// leave stops all and removes it, or says how to; failed is why the story ended.
func (d *demo) leave(failed error) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if d.keep && failed == nil {
		fmt.Fprintf(d.out, "\nStill running, look around:\n  psql %q\n  psql %q\nStop and remove all of it:\n  go run ./test/demo -stop\n",
			d.provider.dsn(), d.subscriber.dsn())
		return nil
	}
	if failed != nil {
		d.showLogs()
	}
	err := d.clear(ctx)
	if failed == nil && err == nil {
		fmt.Fprintf(d.out, "\nDone in %.0f s; no process, port or file is left.\n", time.Since(d.began).Seconds())
	}
	return err
}
