package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// unwatched is ours without HTTP.
const unwatched = "unwatched"

var watchedLines = []line{
	{"drain", "changes/s", &bound{0.98, true, true}, nil},
	{"drain, CPU of all processes", "us/change", nil, nil},
	{"drain, CPU daemons", "us/change", nil, nil},
	{"waiting, CPU provider", "% of a core", nil, nil},
	{"waiting, CPU subscriber", "% of a core", nil, nil},
	{"waiting, CPU daemons", "% of a core", nil, nil},
	{"answers", "", nil, nil},
	{"pages brought up to date", "", nil, nil},
}

// watched measures what metrics and pages take from a drain: the same pair drains
// with and without both programs serving HTTP that is asked each second for
// everything, and keeps one page of each up to date. Who is first takes turns.
func (b *bench) watched(ctx context.Context) error {
	changes := b.changes
	b.changes = b.watchedChanges
	defer func() { b.changes = changes }()
	fill := func(ctx context.Context, r *replica) error {
		return r.provider.exec(ctx, fmt.Sprintf("insert into ev select %s from generate_series(1, %d) g", rowOf, b.changes/2))
	}
	return b.withReplica(ctx, ours, fill, func(ctx context.Context, r *replica) error {
		names := []string{unwatched, ours}
		for i := range b.runs {
			b.round = i + 1
			for _, who := range names {
				fmt.Fprintf(b.log, "%s, round %d of %d: %s\n", b.section, b.round, b.runs, who)
				r.who = who
				if err := r.drainWatched(ctx, who == ours); err != nil {
					return fmt.Errorf("%s, round %d: %w", who, b.round, err)
				}
			}
			slices.Reverse(names)
		}
		return nil
	})
}

func (r *replica) drainWatched(ctx context.Context, watch bool) error {
	s := r.peer.(*skytools)
	if err := s.serve(ctx, watch); err != nil {
		return err
	}
	aside, stop := context.WithCancel(ctx)
	defer stop()
	var asking sync.WaitGroup
	var answers, changes atomic.Int64
	if watch {
		for _, name := range []string{"replica", "ticker"} {
			socket := filepath.Join(s.dir, name+".sock")
			asking.Go(func() { answers.Add(ask(aside, socket)) })
			asking.Go(func() { changes.Add(look(aside, socket)) })
		}
	}
	err := r.drain(ctx, "drain", "drain", r.bench.oneTransaction())
	if err == nil {
		err = r.wait(ctx)
	}
	stop()
	asking.Wait()
	if !watch || err != nil {
		return err
	}
	r.add("answers", float64(answers.Load()))
	r.add("pages brought up to date", float64(changes.Load()))
	if answers.Load() == 0 || changes.Load() == 0 {
		return errors.New("nobody was served")
	}
	return nil
}

// wait measures what it takes while nothing is to be done.
func (r *replica) wait(ctx context.Context) error {
	length := time.Duration(r.bench.latencySeconds * float64(time.Second))
	u, err := r.measure(func() error { return sleep(ctx, length) })
	for part, cpu := range map[string]time.Duration{"provider": u.provider, "subscriber": u.subscriber, "daemons": u.daemons} {
		r.add("waiting, CPU "+part, 100*cpu.Seconds()/length.Seconds())
	}
	return err
}

// serve has both programs serve HTTP, or not, from their next start; the ticker's
// is now.
func (s *skytools) serve(ctx context.Context, on bool) error {
	files := s.inis()
	for name, text := range files {
		if on {
			text += "http_listen = " + filepath.Join(s.dir, name+".sock") + "\n"
		}
		if err := os.WriteFile(filepath.Join(s.dir, name+".ini"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if err := s.command(ctx, "pgqadm ticker.ini ticker -s"); err != nil {
		return err
	}
	if err := s.gone(ctx, "ticker.pid"); err != nil {
		return err
	}
	return s.command(ctx, "pgqadm ticker.ini ticker -d")
}

// over returns a client of who serves on a socket.
func over(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
}

func get(ctx context.Context, client *http.Client, path string) (io.ReadCloser, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// ask gets everything each second until ctx ends, as a scraper and a load balancer
// do, and returns how many answers came.
func ask(ctx context.Context, socket string) (answers int64) {
	client := over(socket)
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		for _, path := range []string{"/metrics", "/fresh?within=1s", "/ready", "/status.json", "/"} {
			body, err := get(ctx, client, path)
			if err != nil {
				continue // it is not up yet, or no longer
			}
			if _, err := io.Copy(io.Discard, body); err == nil {
				answers++
			}
			_ = body.Close()
		}
		_ = sleep(ctx, time.Second)
	}
	return answers
}

// look keeps the stream of a page open until ctx ends, as the browser of somebody
// who watches the drain does, which reads the charts anew at each change. It returns
// how many changes came.
func look(ctx context.Context, socket string) (changes int64) {
	client := over(socket)
	defer client.CloseIdleConnections()
	for ctx.Err() == nil {
		if stream, err := get(ctx, client, "/live/overview"); err == nil {
			lines := bufio.NewScanner(stream)
			lines.Buffer(nil, 1<<20)
			for lines.Scan() {
				if lines.Text() != "" {
					continue
				}
				changes++
				if charts, err := get(ctx, client, "/series.json"); err == nil {
					_, _ = io.Copy(io.Discard, charts)
					_ = charts.Close()
				}
			}
			_ = stream.Close()
		}
		_ = sleep(ctx, time.Second)
	}
	return changes
}
