package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/skytools-go/skytools/internal/conf"
)

// The references in docs are the table of keys and the tree of commands in
// Markdown.
func TestReferenceIsCurrent(t *testing.T) {
	for path, want := range map[string]string{
		"../../docs/config-londiste.md":   conf.Reference("londiste", keys),
		"../../docs/commands-londiste.md": newProgram().Reference(),
	} {
		if os.Getenv("UPDATE") != "" {
			if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is not current (%v): UPDATE=1 go test ./cmd/londiste -run Reference writes it", path, err)
		}
	}
}

// The ini files of etc are those of the tutorial but for the servers.
func TestSamplesAreTheTutorials(t *testing.T) {
	story, err := txtar.ParseFile("testdata/script/tutorial.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range story.Files {
		sample, err := os.ReadFile(filepath.Join("../../etc", f.Name))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := settingsOf(string(sample)), settingsOf(string(f.Data)); !slices.Equal(got, want) {
			t.Errorf("etc/%s says %q, the story %q", f.Name, got, want)
		}
	}
}

// settingsOf are the lines of an ini file without comments and without what
// connection strings say.
func settingsOf(ini string) []string {
	var all []string
	for line := range strings.SplitSeq(strings.TrimSpace(ini), "\n") {
		key, _, _ := strings.Cut(line, " = ")
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasSuffix(key, "db"):
			all = append(all, key)
		default:
			all = append(all, line)
		}
	}
	return all
}
