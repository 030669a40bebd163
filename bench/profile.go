package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// profiled runs fn, under perf(1) if that was asked for. The report stands
// beside the raw results.
func (r *replica) profiled(ctx context.Context, name string, fn func() error) error {
	if !r.bench.perf {
		return fn()
	}
	file := filepath.Join(r.bench.raw, fmt.Sprintf("%s-%s-%d", name, r.who, r.bench.round))
	// The whole machine, because a daemon starts meanwhile; the report is
	// sorted by program.
	record := exec.CommandContext(ctx, "perf", "record", "-q", "-a", "-F", "999", "-g", "-o", file+".data")
	if err := record.Start(); err != nil {
		return err
	}
	const attaching = 300 * time.Millisecond
	err := errors.Join(sleep(ctx, attaching), fn())
	_ = record.Process.Signal(os.Interrupt)
	_ = record.Wait() // it ends by the signal
	if err != nil {
		return err
	}
	text, err := exec.CommandContext(ctx, "perf", "report", "-i", file+".data", "--no-children", "-g", "none",
		"--percent-limit", "0.3", "--sort", "comm,dso,symbol").Output()
	if err != nil {
		return fmt.Errorf("perf report: %w", err)
	}
	return os.WriteFile(file+".txt", text, 0o644)
}
