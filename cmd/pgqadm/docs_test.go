package main

import (
	"os"
	"regexp"
	"strings"
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

// Commands that pages and alerts advise exist.
func TestAdviceNamesCommands(t *testing.T) {
	named := regexp.MustCompile(`pgqadm INI ([a-z_-]+(?: [a-z-]+)?)`)
	for _, path := range []string{"../../docs/monitoring.md", "../../etc/alerts.yml"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			cmd, _, err := newProgram("pgqadm").Root.Find(strings.Fields(m[1]))
			if err != nil || !cmd.Runnable() || cmd.HasSubCommands() {
				t.Errorf("%s: pgqadm INI %s is no command (%v)", path, m[1], err)
			}
		}
	}
}
