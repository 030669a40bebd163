// Command capture measures what capturing a table costs its writers: no
// capture, PgQ's C trigger (Debian's postgresql-NN-pgq3, where the server has
// it) and ours, in one run on one server of its own.
//
// Every round runs all variants one after the other, so that ratios are taken
// within a round; the table shows medians over the rounds. CPU is what the
// kernel says that the writer's backend got (/proc/PID/schedstat), in
// microseconds a row, and so does not count what else the machine does; the
// transactions per second do, so they want a quiet machine.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"

	"github.com/skytools-go/skytools/internal/pgserver"
)

type settings struct {
	runs, rows int
	seconds    float64
}

func main() {
	var opt settings
	flag.IntVar(&opt.runs, "runs", 5, "rounds; medians are shown")
	flag.IntVar(&opt.rows, "rows", 100000, "rows of a bulk statement")
	flag.Float64Var(&opt.seconds, "seconds", 3, "length of each single-row measurement")
	only := flag.String("only", "", "comma-separated variants (default: all)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, opt, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench capture:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, opt settings, only string) error {
	s, err := pgserver.Start(ctx, pgserver.Options{Fsync: true, Conf: map[string]string{
		"shared_buffers": "512MB", "max_wal_size": "4GB", "checkpoint_timeout": "15min", "autovacuum": "off",
	}})
	if err != nil {
		return err
	}
	defer func() { _ = s.Remove() }()

	var variants []*variant
	for _, v := range all() {
		if only != "" && !strings.Contains(","+only+",", ","+v.name+",") {
			continue
		}
		if err := v.prepare(ctx, s); err != nil {
			return fmt.Errorf("prepare %s: %w", v.name, err)
		}
		if v.skipped != "" {
			fmt.Printf("%s is left out: %s\n", v.name, v.skipped)
			continue
		}
		defer v.close()
		variants = append(variants, v)
	}
	for i := range opt.runs {
		for _, v := range variants {
			if err := v.round(ctx, opt); err != nil {
				return fmt.Errorf("%s, round %d: %w", v.name, i+1, err)
			}
		}
		fmt.Fprintf(os.Stderr, "round %d of %d\n", i+1, opt.runs)
	}
	report(os.Stdout, variants)
	return nil
}
