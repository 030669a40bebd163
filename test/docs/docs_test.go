// Package docs runs what the documents tell people to type.
package docs

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
)

const bin = root + "/bin/docs"

func TestMain(m *testing.M) { pgtest.Main(m) }

// programs builds both programs once, under all their names.
var programs = sync.OnceValues(func() (string, error) {
	dir, err := filepath.Abs(bin)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"pgqadm", "londiste"} {
		if out, err := exec.Command("go", "build", "-o", dir+"/", root+"/cmd/"+name).CombinedOutput(); err != nil {
			return "", fmt.Errorf("go build: %w\n%s", err, out)
		}
	}
	for link, name := range map[string]string{"pgqadm.py": "pgqadm", "pgqd": "pgqadm", "londiste.py": "londiste"} {
		if err := os.Symlink(name, filepath.Join(dir, link)); err != nil && !os.IsExist(err) {
			return "", err
		}
	}
	return dir, nil
})

const root = "../.."

// fence is a block between ``` lines.
type fence struct {
	page string // from the root
	line int    // of its first line
	lang string
	text []string
}

// fences takes a page apart. A fence may stand in a list, with an indent.
func fences(page, text string) (found []fence, err error) {
	var in *fence
	indent := ""
	for n, line := range strings.Split(text, "\n") {
		mark := strings.TrimLeft(line, " ")
		switch {
		case in == nil && strings.HasPrefix(mark, "```"):
			indent = line[:len(line)-len(mark)]
			in = &fence{page: page, line: n + 2, lang: strings.TrimPrefix(mark, "```")}
		case in != nil && mark == "```":
			found, in = append(found, *in), nil
		case in != nil:
			in.text = append(in.text, strings.TrimPrefix(line, indent))
		}
	}
	if in != nil {
		err = fmt.Errorf("%s:%d: a fence that does not end", page, in.line)
	}
	return found, err
}

var ends = regexp.MustCompile(`^(.*\S)\s+# status (\d+)$`)

// script makes one shell script of a page's fences. A command must end with
// status 0, or with the one that a comment after it tells.
func script(list []fence) string {
	var b strings.Builder
	b.WriteString("set -Eeu\nat=\ntrap 'echo \"failed: $at: $BASH_COMMAND\" >&2' ERR\n")
	for _, f := range list {
		fmt.Fprintf(&b, "at='the fence at %s:%d'\necho \"== $at\"\n", f.page, f.line)
		for _, line := range f.text {
			if m := ends.FindStringSubmatch(line); m != nil {
				line = fmt.Sprintf("status=0; %s || status=$?; [ $status = %s ]", m[1], m[2])
			}
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// pages lists the documents: those at the root and below docs. Translations
// show the same commands.
func pages(t *testing.T) (list []string) {
	t.Helper()
	for _, dir := range []string{".", "docs", "docs/*", "bench"} {
		found, err := filepath.Glob(filepath.Join(root, dir, "*.md"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			rel, err := filepath.Rel(root, f)
			if err != nil || filepath.Dir(rel) == "docs/zh" {
				continue
			}
			list = append(list, rel)
		}
	}
	return list
}

// TestPages runs every fence marked sh of every page, in order, in an empty folder
// and beside a server of its own, where nothing but the programs is installed. Of
// blocks of other kinds house_docs_test.go wants to know what runs them.
func TestPages(t *testing.T) {
	for _, page := range pages(t) {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			t.Fatal(err)
		}
		list, err := fences(page, string(text))
		if err != nil {
			t.Fatal(err)
		}
		var run []fence
		for _, f := range list {
			if f.lang == "sh" {
				run = append(run, f)
			}
		}
		if len(run) > 0 {
			t.Run(page, func(t *testing.T) {
				t.Parallel() // each has a server and a folder of its own
				runPage(t, run)
			})
		}
	}
}

var extension = regexp.MustCompile(`create extension (\w+)`)

func runPage(t *testing.T, list []fence) {
	t.Helper()
	server := pgtest.Own(t, pgserver.Options{})
	pgtest.RequireProgram(t, server, "psql", "apt install postgresql-client-15")
	psql, err := server.Programs().Program("psql")
	if err != nil {
		t.Fatal(err)
	}
	path, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	all := script(list)
	for _, m := range extension.FindAllStringSubmatch(all, -1) {
		pgtest.RequireExtension(t, server, m[1], "apt install postgresql-15-pgq3")
	}
	dir := t.TempDir()
	// A statement that fails in the middle of many fails the page.
	if err := os.WriteFile(filepath.Join(dir, ".psqlrc"), []byte("\\set ON_ERROR_STOP on\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-s")
	cmd.Dir = dir
	cmd.Stdin = strings.NewReader(all)
	cmd.Env = append(os.Environ(),
		"PATH="+path+":"+filepath.Dir(psql)+":"+os.Getenv("PATH"), "HOME="+dir,
		"PGHOST="+server.Host(), fmt.Sprintf("PGPORT=%d", server.Port()), "PGUSER="+pgserver.Superuser, "PGDATABASE=postgres")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	if err == nil { // -s asks them to leave, and does not wait
		pgtest.Eventually(t, 20*time.Second, "the page's daemons are gone", func() bool { return len(daemons(dir)) == 0 })
	}
	for _, pid := range daemons(dir) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	if err != nil {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// daemons are the processes whose pidfiles are in a folder.
func daemons(dir string) (alive []int) {
	files, _ := filepath.Glob(filepath.Join(dir, "*.pid"))
	for _, f := range files {
		var pid int
		text, _ := os.ReadFile(f)
		if _, err := fmt.Sscan(string(text), &pid); err == nil && syscall.Kill(pid, 0) == nil {
			alive = append(alive, pid)
		}
	}
	return alive
}
