package pgserver

import (
	"os"
	"path/filepath"
	"testing"
)

func TestNewestVersion(t *testing.T) {
	const list = `["9.6.1", "15.9.0-beta.14", "15.18.0-beta.16", "15.18.0-beta.17", "18.4.0-beta.9", "18.10.0-beta.1"]`
	for major, want := range map[int]string{0: "18.10.0-beta.1", 15: "15.18.0-beta.17", 18: "18.10.0-beta.1"} {
		if got, err := newestVersion(list, major); err != nil || got != want {
			t.Errorf("newest of %d is %q, %v; want %q", major, got, err, want)
		}
	}
	if got, err := newestVersion(list, 12); err == nil {
		t.Errorf("version 12 is %q, want an error", got)
	}
}

func TestMakeLinks(t *testing.T) {
	pkg := t.TempDir()
	lib := filepath.Join(pkg, "native", "lib")
	if err := os.MkdirAll(lib, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(list string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(pkg, "native", "pg-symlinks.json"), []byte(list), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(lib, "libx.so.1.2"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	write(`[{"source":"native/lib/libx.so.1.2","target":"native/lib/libx.so"},{"source":"native/lib/libx.so.1.2","target":"native/other/libx.so.1"}]`)
	if err := makeLinks(pkg); err != nil {
		t.Fatal(err)
	}
	for _, link := range []string{"lib/libx.so", "other/libx.so.1"} {
		if text, err := os.ReadFile(filepath.Join(pkg, "native", link)); err != nil || string(text) != "x" {
			t.Errorf("%s: %q, %v", link, text, err)
		}
	}
	write(`[{"source":"../../etc/passwd","target":"native/lib/y"}]`)
	if err := makeLinks(pkg); err == nil {
		t.Error("a link out of the package was made")
	}
}

// TestCutOffUnpacking must not take half a folder for a whole one.
func TestCutOffUnpacking(t *testing.T) {
	cache := t.TempDir()
	bin := filepath.Join(cache, "postgresql-15-debian", "usr/lib/postgresql/15/bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	if b, ok := unpackedBefore(t.Context(), FindOptions{}, cache); ok {
		t.Errorf("found %+v in an empty folder", b)
	}
}

// Tests on a machine without PostgreSQL unpack one where the Makefile says.
func TestUnpackIsNamedByTheEnvironment(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	t.Setenv(EnvUnpack, cache)
	t.Setenv("PATH", t.TempDir()) // nothing to download with
	if _, err := Find(t.Context(), FindOptions{SkipInstalled: true}); err == nil {
		t.Fatal("found a server without any tool to get one")
	}
	if _, err := os.Stat(cache); err != nil {
		t.Errorf("the cache was not used: %v", err)
	}
}
