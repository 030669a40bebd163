//go:build long

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

const testVersion = "9.8.7"

// TestRelease makes a whole release twice, here and from a copy in another
// folder. Not a byte may differ, nor a byte of a program that is built there with
// nothing compiled before. Then the result is installed and removed.
func TestRelease(t *testing.T) {
	abs, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	here, there := filepath.Join(t.TempDir(), "dist"), filepath.Join(t.TempDir(), "dist")
	if err := run(t.Context(), abs, here, testVersion); err != nil {
		t.Fatal(err)
	}
	other := copyOf(t, abs)
	if err := run(t.Context(), other, there, testVersion); err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(here, mark))
	if err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(filepath.Join(there, mark))
	if err != nil || string(sums) != string(again) {
		t.Errorf("two releases differ (%v):\n%s\n%s", err, sums, again)
	}
	t.Run("debian", func(t *testing.T) { testDebian(t, here) })
	t.Run("archive", func(t *testing.T) { testArchive(t, here, other) })
	t.Run("image", func(t *testing.T) { testImage(t, abs) })
}

// copyOf is a clone with the files as they are now, committed or not.
func copyOf(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "elsewhere")
	command(t, "git", "clone", "-q", from, to)
	command(t, "sh", "-c", `cd "$1" && git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d "" f; do
		if [ -e "$f" ]; then printf '%s\0' "$f"; else rm -f "$2/$f"; fi; done | tar -c --null --no-recursion -T - | tar -x -C "$2"`, "sh", from, to)
	return to
}

func command(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// testDebian installs the packages on a copy-on-write view of this machine,
// which ends with the test. It needs root, for the view and for dpkg.
func testDebian(t *testing.T, dist string) {
	if os.Geteuid() != 0 {
		t.Fatal("run this as root: it mounts a view of the machine and runs dpkg in it")
	}
	t.Log(command(t, "unshare", "--mount", "--fork", "bash", "testdata/debian.sh", dist, t.TempDir(), testVersion, runtime.GOARCH))
}

// testArchive runs the program of this machine's archive, and builds it anew
// from other with an empty cache.
func testArchive(t *testing.T, dist, other string) {
	p := platform{"linux", runtime.GOARCH}
	top := fmt.Sprintf("skytools-go_%s_%s", testVersion, p)
	dir := t.TempDir()
	command(t, "bash", "-c", `cd "$1" && sha256sum --quiet --check SHA256SUMS`, "bash", dist)
	command(t, "tar", "-xzf", filepath.Join(dist, top+".tar.gz"), "-C", dir)
	if got := command(t, filepath.Join(dir, top, "bin/pgqd"), "--version"); got != "Skytools version "+testVersion+"\n" {
		t.Errorf("pgqd of the archive says %q", got)
	}
	t.Setenv("GOCACHE", t.TempDir())
	anew := &release{source: source{root: other, version: testVersion}}
	built := t.TempDir()
	if err := anew.build(t.Context(), p, built); err != nil {
		t.Fatal(err)
	}
	for _, name := range programs {
		command(t, "cmp", filepath.Join(dir, top, "bin", name), filepath.Join(built, name))
	}
}

// testImage runs the program in what the image holds, as its user.
func testImage(t *testing.T, root string) {
	src, err := describe(t.Context(), root, testVersion)
	if err != nil {
		t.Fatal(err)
	}
	r := &release{source: src, stage: t.TempDir()}
	p := platform{"linux", runtime.GOARCH}
	if err := r.build(t.Context(), p, filepath.Join(r.stage, p.String())); err != nil {
		t.Fatal(err)
	}
	img, err := r.image(p)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	unpack := exec.CommandContext(t.Context(), "tar", "-x", "-C", dir)
	unpack.Stdin = mutate.Extract(img)
	if out, err := unpack.CombinedOutput(); err != nil {
		t.Fatalf("unpack: %v\n%s", err, out)
	}
	got := command(t, "chroot", "--userspec=65532:65532", dir, "/usr/bin/londiste.py", "--version")
	if !strings.Contains(got, testVersion) {
		t.Errorf("londiste in the image says %q", got)
	}
}
