package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of CPU times in /proc: USER_HZ.
const clockTick = 10 * time.Millisecond

// process is what /proc/PID/stat tells of one.
type process struct {
	parent       int
	own, reaped  time.Duration // of CPU; reaped: of children that have ended
	children     []int
	alreadyAdded bool
}

// cpuOf is the CPU time used so far by processes, by everything below them,
// and by what ended below them.
func cpuOf(pids ...int) time.Duration {
	all := map[int]*process{}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range stats {
		if pid, p := readStat(file); p != nil {
			all[pid] = p
		}
	}
	for pid, p := range all {
		if parent := all[p.parent]; parent != nil {
			parent.children = append(parent.children, pid)
		}
	}
	var sum time.Duration
	for len(pids) > 0 {
		p := all[pids[0]]
		pids = pids[1:]
		if p == nil || p.alreadyAdded {
			continue
		}
		p.alreadyAdded = true
		sum += p.own + p.reaped
		pids = append(pids, p.children...)
	}
	return sum
}

// readStat reads a process's stat; nil when it has gone.
func readStat(file string) (pid int, p *process) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, nil
	}
	// The name in parentheses may hold anything; the fields begin behind it.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	number := func(i int) int {
		n, _ := strconv.Atoi(fields[i])
		return n
	}
	pid, _ = strconv.Atoi(filepath.Base(filepath.Dir(file)))
	return pid, &process{
		parent: number(1),
		own:    time.Duration(number(11)+number(12)) * clockTick,
		reaped: time.Duration(number(13)+number(14)) * clockTick,
	}
}

// highWater is the largest memory that any of the processes ever had, in MiB.
func highWater(pids ...int) (float64, error) {
	most := 0.0
	for _, pid := range pids {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			return 0, err
		}
		_, rest, _ := strings.Cut(string(text), "VmHWM:")
		var kib float64
		if _, err := fmt.Sscan(rest, &kib); err != nil {
			return 0, fmt.Errorf("memory of process %d: %w", pid, err)
		}
		most = max(most, kib/1024)
	}
	return most, nil
}

func loadOfMachine() string {
	text, _ := os.ReadFile("/proc/loadavg")
	load, _, _ := strings.Cut(string(text), " ")
	return load
}

// awaitQuiet waits, not for ever, until the machine was less than a quarter
// busy for half a second.
func (b *bench) awaitQuiet(ctx context.Context) error {
	for range 2 * b.quiet {
		busy, all := machineTimes()
		if err := sleep(ctx, 500*time.Millisecond); err != nil {
			return err
		}
		busyNow, allNow := machineTimes()
		if busyNow-busy < (allNow-all)/4 {
			return nil
		}
	}
	fmt.Fprintln(b.log, "  the machine is busy with something else, load", loadOfMachine())
	return nil
}

// machineTimes are the times of all processors, in ticks since their start.
func machineTimes() (busy, all float64) {
	text, _ := os.ReadFile("/proc/stat")
	first, _, _ := strings.Cut(string(text), "\n")
	for i, field := range strings.Fields(first) {
		n, _ := strconv.ParseFloat(field, 64)
		all += n
		if i != 4 && i != 5 { // idle, waiting for the disk
			busy += n
		}
	}
	return busy, all
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
