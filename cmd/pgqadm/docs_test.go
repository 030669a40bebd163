package main

import (
	"os"
	"testing"

	"github.com/skytools-go/skytools/internal/conf"
)

// The references in docs are the tables of keys and the tree of commands in
// Markdown.
func TestReferenceIsCurrent(t *testing.T) {
	sections := map[string][]conf.Key{"pgqadm": keys, "pgqd": pgqdKeys}
	for _, q := range queuePrograms {
		sections[q.name] = q.keys
	}
	pages := map[string]string{"../../docs/commands-pgqadm.md": newProgram("pgqadm").Reference()}
	for section, keys := range sections {
		pages["../../docs/config-"+section+".md"] = conf.Reference(section, keys)
	}
	for path, want := range pages {
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is not current (%v): go test ./cmd/pgqadm -run Reference -update writes it", path, err)
		}
	}
}
