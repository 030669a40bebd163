package main

import (
	"os"
	"testing"

	"github.com/skytools-go/skytools/internal/conf"
)

// The reference in docs is the table of keys in Markdown.
func TestReferenceIsCurrent(t *testing.T) {
	const path = "../../docs/config-pgqadm.md"
	want := conf.Reference("pgqadm", keys)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Errorf("%s is not current (%v): go test ./cmd/pgqadm -run Reference -update writes it", path, err)
	}
}
