// Command bench measures the engine beside what there is, in one run: Debian's
// C triggers for capture (postgresql-NN-pgq3, where the server has it), built-in
// logical replication for everything else.
//
// Every round measures all of them one after the other, on servers of their
// own; the tables show medians over the rounds, and ratios taken within a
// round. A floor that is missed makes the exit status 1. README.md tells the
// method.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/skytools-go/skytools/internal/pgserver"
)

type options struct {
	runs  int
	only  string
	bin   string
	raw   string
	perf  bool
	quiet int // seconds to wait for a quiet machine

	captureRows    int
	captureSingles int
	changes, base  int
	watchedChanges int
	rate           float64
	latencySeconds float64
	copyRows       int
	memoryRows     int
	queueSingles   int
	queueBatches   int
	queueRead      int
	eventRate      float64
}

// bench is one run of the program.
type bench struct {
	options
	dir string    // ini files, logs and pidfiles of the daemons
	out io.Writer // tables
	log io.Writer // progress
	results
}

// section is a group of measurements with a table of its own.
type section struct {
	name    string
	measure func(*bench, context.Context) error
	peer    string // whose figures ours are divided by
	lines   []line
}

var sections = []section{
	{"capture", (*bench).capture, "C logutriga", captureLines},
	{"drain", (*bench).drain, "native", drainLines},
	{"watched", (*bench).watched, unwatched, watchedLines},
	{"latency", (*bench).latency, "native", latencyLines},
	{"copy", (*bench).copy, "native", copyLines},
	{"compare", (*bench).compare, "", compareLines},
	{"memory", (*bench).memory, "", memoryLines},
	{"enqueue", (*bench).enqueue, extensionQueue, enqueueLines()},
	{"dequeue", (*bench).dequeue, plainCopy, dequeueLines()},
	{"events", (*bench).events, "", eventsLines},
}

func main() {
	b := bench{out: os.Stdout, log: os.Stderr}
	flag.IntVar(&b.runs, "runs", 5, "rounds; medians are shown")
	flag.StringVar(&b.only, "only", "", "comma-separated sections: capture, drain, watched, latency, copy, compare, memory, enqueue, dequeue, events (default: all)")
	flag.StringVar(&b.bin, "bin", "", "folder of pgqadm and londiste (default: built from here)")
	flag.StringVar(&b.raw, "raw", "bench/raw", "folder for the single results and profiles")
	flag.BoolVar(&b.perf, "perf", false, "have perf(1) write profiles of drain and copy to the folder of raw results")
	flag.IntVar(&b.quiet, "quiet", 15, "seconds to wait, at most, for a quiet machine before each measurement")
	flag.IntVar(&b.captureRows, "capture-rows", 100_000, "rows of a bulk statement")
	flag.IntVar(&b.captureSingles, "capture-singles", 10_000, "transactions of a single row")
	flag.IntVar(&b.changes, "changes", 200_000, "changes of a backlog")
	flag.IntVar(&b.watchedChanges, "watched-changes", 2_000_000, "changes of the backlog that is drained watched and unwatched")
	flag.IntVar(&b.base, "base", 100_000, "rows in the table before a backlog")
	flag.Float64Var(&b.rate, "rate", 50, "transactions a second for the latency")
	flag.Float64Var(&b.latencySeconds, "latency-seconds", 20, "length of each latency measurement")
	flag.IntVar(&b.copyRows, "copy-rows", 5_000_000, "rows of the first copy")
	flag.IntVar(&b.memoryRows, "memory-rows", 2_000_000, "rows of the large transaction")
	flag.IntVar(&b.queueSingles, "queue-singles", 8_000, "events that are written in transactions of their own")
	flag.IntVar(&b.queueBatches, "queue-batches", 96, "batches of 1,000 events")
	flag.IntVar(&b.queueRead, "queue-read", 500_000, "events of the batch that is read; of large ones a fifth")
	flag.Float64Var(&b.eventRate, "event-rate", 1000, "events a second for their latency")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	missed, err := b.run(ctx)
	stop()
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	case missed > 0:
		fmt.Fprintf(os.Stderr, "bench: %d floors missed\n", missed)
		os.Exit(1)
	}
}

// run measures the chosen sections, prints their tables and returns how many
// floors were missed.
func (b *bench) run(ctx context.Context) (missed int, err error) {
	chosen, err := b.choose()
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, pgserver.RemoveAll()) }()
	if b.dir, err = os.MkdirTemp("", "skytools-bench"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(b.dir)
	if err := os.MkdirAll(b.raw, 0o755); err != nil {
		return 0, err
	}
	if b.bin == "" {
		if b.bin, err = build(ctx, b.dir); err != nil {
			return 0, err
		}
	}
	for _, s := range chosen {
		b.results = results{section: s.name}
		err := s.measure(b, ctx)
		if err != nil {
			err = fmt.Errorf("%s: %w", s.name, err)
		}
		if err := errors.Join(err, b.save(filepath.Join(b.raw, "results.tsv"))); err != nil {
			return missed, err
		}
		missed += b.table(b.out, s)
	}
	return missed, nil
}

func (b *bench) choose() ([]section, error) {
	if b.only == "" {
		return sections, nil
	}
	var chosen []section
	for name := range strings.SplitSeq(b.only, ",") {
		i := slices.IndexFunc(sections, func(s section) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no section %q", name)
		}
		chosen = append(chosen, sections[i])
	}
	return chosen, nil
}

// build makes the programs that are measured.
func build(ctx context.Context, dir string) (string, error) {
	bin := filepath.Join(dir, "bin")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", bin+"/",
		"github.com/skytools-go/skytools/cmd/pgqadm", "github.com/skytools-go/skytools/cmd/londiste")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return bin, nil
}

// rounds runs measure for each of names in each round.
func (b *bench) rounds(ctx context.Context, names []string, measure func(ctx context.Context, name string) error) error {
	for i := range b.runs {
		b.round = i + 1
		for _, name := range names {
			fmt.Fprintf(b.log, "%s, round %d of %d: %s\n", b.section, b.round, b.runs, name)
			if err := measure(ctx, name); err != nil {
				return fmt.Errorf("%s, round %d: %w", name, b.round, err)
			}
		}
	}
	return nil
}
