// Command failed tells what failed in the output of `go test -v` of many
// packages, which it reads from its standard input:
//
//	go test -v ./... >log; go run ./test/failed <log
//
// First come the names, then for each failed test what it said last, the
// shortest first, then the names again: whichever end of a report is cut off,
// the names are left. A test counts as failed when it says so, and when its
// package ends while it runs: by a panic, or by the deadline of the package. A
// package that failed without such a test (it was not built, something leaked)
// stands there by itself.
//
// go test prints a package when it has ended, so packages never mix; parallel
// tests of one do, and `=== NAME` tells whose the next lines are.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

func main() {
	failures, err := read(os.Stdin)
	if err == nil {
		err = write(os.Stdout, failures)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "failed:", err)
		os.Exit(1)
	}
}

// read takes a log apart.
func read(r io.Reader) ([]failure, error) {
	var failures []failure
	build := failure{title: "go build"}
	run := newRun()
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 64<<20) // a test may print a table as one line
	for lines.Scan() {
		if pkg, ok, ended := packageEnd(lines.Text()); ended {
			if !ok {
				failures = append(failures, run.failures(pkg)...)
			}
			run = newRun()
			continue
		}
		if run.building(lines.Text()) {
			build.said = append(build.said, lines.Text())
			continue
		}
		run.line(lines.Text())
	}
	if len(build.said) > 0 {
		build.said = last(build.said)
		failures = append(failures, build)
	}
	if run.begun() { // cut off
		failures = append(failures, run.failures("the log ends before its package")...)
	}
	return failures, lines.Err()
}

// packageEnd tells whether a line is the last one of a package.
func packageEnd(line string) (pkg string, ok, ended bool) {
	fields := strings.Fields(line)
	switch {
	case strings.HasPrefix(line, "ok  \t"), strings.HasPrefix(line, "?   \t"):
		return fields[1], true, true
	case strings.HasPrefix(line, "FAIL\t") && len(fields) > 1:
		return fields[1], false, true
	}
	return "", false, false
}

// write prints names, texts, names.
func write(w io.Writer, failures []failure) error {
	var names strings.Builder
	for _, f := range failures {
		for _, name := range f.names {
			fmt.Fprintf(&names, "== failed: %s\n", name)
		}
	}
	slices.SortStableFunc(failures, func(a, b failure) int { return len(a.said) - len(b.said) })
	var texts strings.Builder
	for _, f := range failures {
		fmt.Fprintf(&texts, "== said by %s\n", f.title)
		for _, line := range f.said {
			fmt.Fprintln(&texts, line)
		}
	}
	_, err := io.WriteString(w, names.String()+texts.String()+names.String())
	return err
}
