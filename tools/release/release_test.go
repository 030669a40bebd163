package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const root = "../.."

// fake is a release whose programs and completions are a few bytes: what is
// tested here is what is made of them.
func fake(t *testing.T) *release {
	t.Helper()
	abs, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	r := &release{
		source: source{root: abs, version: "1.2.3-rc.1", revision: "abc", date: time.Unix(1700000000, 0).UTC()},
		out:    t.TempDir(), stage: t.TempDir(),
	}
	for _, name := range programs {
		for _, p := range platforms {
			write(t, filepath.Join(r.stage, p.String(), name), name+" for "+p.String())
		}
		for shell := range shells {
			write(t, filepath.Join(r.stage, "completions", shell, name), shell)
		}
	}
	if err := r.writePages(t.Context()); err != nil {
		t.Fatal(err)
	}
	return r
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := writeFile(path, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

// Two releases at different times, in different folders, are the same bytes.
// Every file that a package or an archive names is there, or this fails.
func TestSameBytes(t *testing.T) {
	made := map[string][]byte{}
	for _, r := range []*release{fake(t), fake(t)} {
		for _, step := range []func() error{
			func() error { return r.writeArchives(t.Context()) },
			func() error { return r.writePackages(t.Context()) },
			func() error { return r.writeImage(t.Context()) },
			func() error { return r.writeSums(t.Context()) },
		} {
			if err := step(); err != nil {
				t.Fatal(err)
			}
		}
		entries, err := os.ReadDir(r.out)
		if err != nil {
			t.Fatal(err)
		}
		if want := len(platforms) + len(descriptions)*len(formats)*2 + 2; len(entries) != want {
			t.Errorf("%d files, want %d: %v", len(entries), want, entries)
		}
		for _, e := range entries {
			data, err := os.ReadFile(filepath.Join(r.out, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			if before, seen := made[e.Name()]; seen && !bytes.Equal(before, data) {
				t.Errorf("%s: two runs differ", e.Name())
			}
			made[e.Name()] = data
		}
	}
	for _, name := range []string{"skytools-go_1.2.3~rc.1_amd64.deb", "skytools-go-1.2.3~rc.1-1.aarch64.rpm", "skytools-go_1.2.3-rc.1_darwin_arm64.tar.gz"} {
		if made[name] == nil {
			t.Errorf("there is no %s", name)
		}
	}
}

// Each reference becomes a page, and nothing of a table is left in it.
func TestPages(t *testing.T) {
	r := fake(t)
	pages, err := pagesOf(r.root)
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 8 {
		t.Errorf("%d pages", len(pages))
	}
	londiste, err := os.ReadFile(filepath.Join(r.stage, "man/man1/londiste.1"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{".TH", ".SH NAME", `subscriber add\fR`, `--create-full`, ".SH EXIT STATUS"} {
		if !strings.Contains(string(londiste), want) {
			t.Errorf("londiste.1 lacks %q", want)
		}
	}
	for _, left := range []string{"|---", "\n| ", "Written by a test"} {
		if strings.Contains(string(londiste), left) {
			t.Errorf("londiste.1 has %q", left)
		}
	}
}

func TestTerms(t *testing.T) {
	table := "before\n\n| key | default | meaning |\n|---|---|---|\n| `a` | `1` | this \\| that |\n| `b` |  | other |\n\nafter"
	want := "before\n\n`a`\n:   this | that (default `1`)\n\n`b`\n:   other\n\n\nafter\n"
	if got := terms(table); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The image is whole, for both platforms, and runs as nobody in particular.
func TestImage(t *testing.T) {
	r := fake(t)
	if err := r.writeImage(t.Context()); err != nil {
		t.Fatal(err)
	}
	index, err := layout.ImageIndexFromPath(filepath.Join(r.stage, "oci"))
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
	img, err := r.image(platform{"linux", "arm64"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c.Architecture != "arm64" || c.Config.User != "65532:65532" || c.Config.Labels["org.opencontainers.image.version"] != "1.2.3-rc.1" {
		t.Errorf("%+v", c)
	}
	if n := bytes.Count(r.baseEntries()[6].data, []byte("BEGIN CERTIFICATE")); n < 50 {
		t.Errorf("%d root certificates", n)
	}
}

// A version comes from the tag; what comes after it sorts behind.
func TestVersionOfTag(t *testing.T) {
	dir := t.TempDir()
	do := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=x", "-c", "user.email=x@example.org"}, args...)...)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	expect := func(pattern string) {
		t.Helper()
		s, err := describe(t.Context(), dir, "")
		if err != nil {
			t.Fatal(err)
		}
		if ok, _ := filepath.Match(pattern, s.version); !ok {
			t.Errorf("version %q, want %q", s.version, pattern)
		}
	}
	if _, err := describe(t.Context(), dir, ""); err == nil {
		t.Error("no clone, no number, and no error")
	}
	do("init", "-q")
	do("commit", "-q", "--allow-empty", "-m", "one")
	expect("0.0.0+1.g????????????")
	do("tag", "v0.3.0-rc.1")
	expect("0.3.0-rc.1")
	do("commit", "-q", "--allow-empty", "-m", "two")
	expect("0.3.0-rc.1+1.g????????????")
	do("tag", "v0.3.0")
	expect("0.3.0")
	write(t, filepath.Join(dir, "new"), "x")
	expect("0.3.0+dirty")
	if _, err := describe(t.Context(), dir, "three"); err == nil {
		t.Error("version three was taken")
	}
}

// A folder that is no release's is not emptied.
func TestFreshFolder(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "mine"), "x")
	if err := freshFolder(dir); err == nil {
		t.Error("somebody's folder was emptied")
	}
	write(t, filepath.Join(dir, mark), "")
	if err := freshFolder(dir); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
