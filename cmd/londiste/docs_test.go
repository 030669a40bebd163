package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/internal/conf"
	"github.com/skytools-go/skytools/londiste/diagnosis"
)

// The references in docs are the table of keys and the tree of commands in
// Markdown.
func TestReferenceIsCurrent(t *testing.T) {
	for path, want := range map[string]string{
		"../../docs/config-londiste.md":       conf.Reference("londiste", keys),
		"../../docs/config-plproxy_config.md": conf.Reference(proxySection, proxyKeys),
		"../../docs/commands-londiste.md":     newProgram().Reference(),
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

// The lists of checks in docs/doctor.md are the tables of checks of both
// programs.
func TestDoctorPageIsCurrent(t *testing.T) {
	const path = "../../docs/doctor.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	server, queues, managed := doctor.Reference()
	for name, list := range map[string]string{"server": server, "queues": queues, "pair": diagnosis.Reference(), "managed": managed} {
		before, rest, found := strings.Cut(page, "<!-- "+name+": ")
		head, _, closed := strings.Cut(rest, "\n")
		_, after, ended := strings.Cut(rest, "<!-- end -->")
		if !found || !closed || !ended {
			t.Fatalf("%s has no place for %s", path, name)
		}
		page = before + "<!-- " + name + ": " + head + "\n" + list + "<!-- end -->" + after
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if page != string(text) {
		t.Errorf("%s is not current: UPDATE=1 go test ./cmd/londiste -run Doctor writes it", path)
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
