package main

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the report anew")

// The log is one of real packages: parallel parts of which one fails, one that
// is loud, panics, a deadline, a package that does not compile, one that exits.
func TestReport(t *testing.T) {
	log, err := os.Open("testdata/shop.out")
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	failures, err := read(log)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := write(&got, failures); err != nil {
		t.Fatal(err)
	}
	const golden = "testdata/shop.report"
	if *update {
		if err := os.WriteFile(golden, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("another report than %s (-update writes it):\n%s", golden, diff)
	}
}

func TestCutLog(t *testing.T) {
	failures, err := read(strings.NewReader("=== RUN   TestA\n--- PASS: TestA (0.00s)\n=== RUN   TestB\nsome words\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(failures) != 1 || len(failures[0].names) != 1 || !strings.HasPrefix(failures[0].names[0], "TestB (the log ends") {
		t.Errorf("%+v, want only TestB, which was running", failures)
	}
}

func TestNothingFailed(t *testing.T) {
	failures, err := read(strings.NewReader("=== RUN   TestA\n--- PASS: TestA (0.00s)\nPASS\nok  \texample.org/a\t0.1s\n?   \texample.org/b\t[no test files]\n"))
	if err != nil || len(failures) != 0 {
		t.Errorf("%+v, %v, want nothing", failures, err)
	}
}
