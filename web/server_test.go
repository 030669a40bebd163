package web

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/londiste"
)

// ask sends a request to a handler; header is name, value, name, value.
func ask(h http.Handler, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "127.0.0.1:8090"
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAddress(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "8090": "127.0.0.1:8090", ":8090": "127.0.0.1:8090", "0.0.0.0:80": "0.0.0.0:80",
		"[::1]:8090": "[::1]:8090", "localhost:0": "localhost:0", " /run/x.sock ": "/run/x.sock",
	} {
		a, err := ParseAddress(text)
		if err != nil || a.String() != want || a.Given() != (want != "") {
			t.Errorf("%q is %q, %v, want %q", text, a, err, want)
		}
	}
	for _, text := range []string{"localhost", "127.0.0.1:", "::1:8090", "1:2:3", "70000", "run/x.sock", "host:http"} {
		if a, err := ParseAddress(text); err == nil || hint.Of(err) == "" {
			t.Errorf("%q is taken for %q, or without a hint: %v", text, a, err)
		}
	}
}

// Each reason not to listen has a way out.
func TestNoPlaceToListen(t *testing.T) {
	taken, err := Address{"tcp", "127.0.0.1:0"}.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for place, want := range map[string]string{
		taken.Addr().String():                "another port",
		"192.0.2.1:8090":                     "no address of this machine",
		"[fe80::1]:8090":                     "needs its interface",
		"*:8090":                             "0.0.0.0 for all",
		t.TempDir() + "/none/x.sock":         "make its folder",
		"/tmp/" + strings.Repeat("long", 30): "107 bytes",
	} {
		a, err := ParseAddress(place)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = a.Listen(); err == nil || !strings.Contains(hint.Of(err), want) || strings.Count(err.Error(), "listen") != 1 {
			t.Errorf("%s: %v (%s), want %q", place, err, hint.Of(err), want)
		}
	}
}

// A socket that a killed process left is replaced; one in use, and a file that
// is no socket, are not.
func TestSocketLeftBehind(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	a, _ := ParseAddress(path)
	first, err := a.Listen()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Listen(); err == nil || hint.Of(err) == "" {
		t.Errorf("listens where another does: %v", err)
	}
	first.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = first.Close()
	second, err := a.Listen()
	if err != nil {
		t.Fatalf("with a dead socket: %v", err)
	}
	_ = second.Close()
}

func TestGuard(t *testing.T) {
	s := &Server{Program: "londiste", Version: "1"}
	local, open := s.Handler(true), s.Handler(false)
	for _, c := range []struct {
		h            http.Handler
		method, path string
		header       []string
		want         int
	}{
		{local, "GET", "/health", nil, 200},
		{local, "HEAD", "/health", nil, 200},
		{local, "GET", "/", nil, 200},
		{local, "GET", "/nothing", nil, 404},
		{local, "POST", "/health", nil, 405},
		{local, "DELETE", "/", nil, 405},
		{local, "OPTIONS", "/", nil, 405},
		{local, "GET", "/health", []string{"Host", "evil.example"}, 421},
		{local, "GET", "/health", []string{"Host", "evil.example:8090"}, 421},
		{local, "GET", "/health", []string{"Host", "localhost.evil.example"}, 421},
		{local, "GET", "/health", []string{"Host", "localhost:8090"}, 200},
		{local, "GET", "/health", []string{"Host", "[::1]:8090"}, 200},
		{open, "GET", "/health", []string{"Host", "db.example"}, 200},
	} {
		w := ask(c.h, c.method, c.path, c.header...)
		if w.Code != c.want {
			t.Errorf("%s %s %v: %d, want %d: %s", c.method, c.path, c.header, w.Code, c.want, w.Body)
		}
		if csp := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s %s: policy %q", c.method, c.path, csp)
		}
	}
}

func TestHealth(t *testing.T) {
	h := (&Server{Program: "londiste", Version: "1.2"}).Handler(true)
	var body struct{ Status, Program, Version string }
	if err := json.Unmarshal(ask(h, "GET", "/health").Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	if body.Status != "alive" || body.Program != "londiste" || body.Version != "1.2" {
		t.Errorf("%+v", body)
	}
	if text := ask(h, "GET", "/health", "Accept", "text/plain").Body.String(); text != "alive\n" {
		t.Errorf("as text: %q", text)
	}
}

// What a look does not reach keeps what was found before, with its time.
func TestSnapshotKeepsWhatWasFound(t *testing.T) {
	gone := errors.New("gone")
	both, one := &londiste.Status{Queue: "q"}, &londiste.Status{Queue: "q"}
	both.Provider.Reachable, both.Subscriber.Reachable = true, true
	one.Subscriber.Reachable, one.Provider.Error = true, "no provider"
	views := []View{
		{Set: both, Databases: []Database{{Name: "a", Status: &doctor.Status{PgqVersion: "3"}}, {Name: "b", Err: gone}}},
		{Set: one, Databases: []Database{{Name: "a", Err: gone}, {Name: "b", Err: gone}}},
		{Err: gone},
	}
	s := &Server{Read: func(context.Context) (v View) { v, views = views[0], views[1:]; return v }}
	s.look(t.Context())
	first := s.Snapshot()
	if first.Whole != both || first.WholeAt != first.At || first.Databases[0].At != first.At || first.Databases[1].Status != nil {
		t.Errorf("first look: %+v", first)
	}
	changed := s.Changed()
	s.look(t.Context())
	<-changed
	second := s.Snapshot()
	if second.Set != one || second.Whole != both || second.WholeAt != first.At {
		t.Errorf("second look: set %+v, whole of %v", second.Set, second.WholeAt)
	}
	if db := second.Databases[0]; db.Status == nil || db.At != first.At || !errors.Is(db.Err, gone) {
		t.Errorf("second look: %+v", db)
	}
	if text := second.Trouble().Error(); text != "no provider\ngone\ngone" {
		t.Errorf("trouble: %q", text)
	}
	s.look(t.Context())
	if db := s.Snapshot().Databases; len(db) != 2 || db[0].Status == nil || db[0].At != first.At || !errors.Is(db[0].Err, gone) {
		t.Errorf("third look: %+v", db)
	}
}

// Run answers while a look hangs, and ends with its context without leaving
// anything behind.
func TestRunWhileALookHangs(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	looking := make(chan struct{})
	s := &Server{Program: "londiste", Read: func(ctx context.Context) View {
		close(looking)
		<-ctx.Done()
		return View{}
	}}
	a, _ := ParseAddress("0")
	l, err := a.Listen()
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, l) }()
	<-looking
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get("http://" + l.Addr().String() + "/status.json")
	if err != nil {
		t.Fatal(err)
	}
	var body struct {
		At *string `json:"read_at"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.At != nil {
		t.Errorf("before the first look: %+v, %v", body, err)
	}
	_ = r.Body.Close()
	end()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}
