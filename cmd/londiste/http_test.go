package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// httpCommand is `http SOCKET PATH STATUS [TEXT…]`: it asks until the answer has
// that status and those texts. Each answer must come within a second, whatever
// the databases do.
func httpCommand(ts *testscript.TestScript, _ *story, args []string) {
	status, err := strconv.Atoi(args[2])
	ts.Check(err)
	socket := ts.MkAbs(args[0])
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	for end := time.Now().Add(time.Minute); ; {
		r, err := client.Get("http://localhost" + args[1])
		if errors.Is(err, syscall.ENOENT) && time.Now().Before(end) { // it does not listen yet
			time.Sleep(50 * time.Millisecond) // another process makes the socket, and tells nobody
			continue
		}
		ts.Check(err)
		body, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		ts.Check(err)
		all := r.StatusCode == status
		for _, text := range args[3:] {
			all = all && strings.Contains(string(body), text)
		}
		if all {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("%s is %d and not %v:\n%s", args[1], r.StatusCode, args[2:], body)
		}
		time.Sleep(50 * time.Millisecond) // the answer is another process's, which looks at its databases by itself
	}
}

// Commands that pages and alerts advise exist.
func TestAdviceNamesCommands(t *testing.T) {
	named := regexp.MustCompile(`londiste INI ([a-z-]+(?: [a-z-]+)?)`)
	for _, path := range []string{"../../docs/monitoring.md", "../../etc/alerts.yml"} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found := named.FindAllStringSubmatch(string(text), -1)
		if len(found) == 0 {
			t.Errorf("%s names no command", path)
		}
		for _, m := range found {
			cmd, _, err := newProgram().Root.Find(strings.Fields(m[1]))
			if err != nil || !cmd.Runnable() || cmd.HasSubCommands() {
				t.Errorf("%s: londiste INI %s is no command (%v)", path, m[1], err)
			}
		}
	}
}
