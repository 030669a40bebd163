package web

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/skytools-go/skytools/internal/notice"
	"github.com/skytools-go/skytools/londiste"
)

// Server answers for one program: one subscription, or the queues of one or
// more databases.
type Server struct {
	Program string // londiste or pgqadm
	Version string
	Log     *slog.Logger // nil means none
	// Read looks at the databases. It comes back when its context ends, with
	// what it has.
	Read  func(ctx context.Context) View
	Every time.Duration // pause between looks; 0 means 5 s
	// Lag tells how far the subscriber is behind; nil where there is none. One
	// call is made at a time.
	Lag func(ctx context.Context) (londiste.Lag, error)
	// Rows reads events and dead letters for the pages; nil: there is no page of them.
	Rows *Rows

	started time.Time
	mu      sync.Mutex
	past    past             // of the snapshots
	clock   func() time.Time // of pages; nil: time.Now
	streams atomic.Int32     // live pages that are open
	now     *Snapshot        // nil before the first look
	changed chan struct{}    // closed at the next snapshot; nil: nobody waits
	pulse   pulse
	life    context.Context // of looks that requests begin
	looks   sync.WaitGroup
}

func (s *Server) every() time.Duration {
	if s.Every <= 0 {
		return 5 * time.Second
	}
	return s.Every
}

// Run looks at the databases and answers on l until ctx ends, which is no
// error. It closes l.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	s.Log, s.life = notice.Logger(s.Log), ctx
	defer s.looks.Wait()
	if !loopback(l.Addr()) {
		s.Log.Warn(fmt.Sprintf("HTTP on %s: other machines reach it, and nobody is asked for a password", l.Addr()))
	}
	server := &http.Server{
		Handler:           s.Handler(loopback(l.Addr()) && l.Addr().Network() == "tcp"),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second, // a stream sets its own, by http.ResponseController
		IdleTimeout:       time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	both, ctx := errgroup.WithContext(ctx)
	both.Go(func() error { return s.watch(ctx) })
	both.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("HTTP on %s: %w", l.Addr(), err)
		}
		return nil
	})
	both.Go(func() error {
		<-ctx.Done()
		short, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if server.Shutdown(short) != nil {
			return server.Close() // a request was still under way, a stream perhaps
		}
		return nil
	})
	s.Log.Info(fmt.Sprintf("HTTP on %s", l.Addr()))
	return both.Wait()
}

// Handler answers all requests. local: only those that name this machine.
func (s *Server) Handler(local bool) http.Handler {
	s.started = time.Now()
	if s.life == nil {
		s.life = context.Background()
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/health", s.health)
	mux.HandleFunc("/ready", s.ready)
	mux.Handle("/metrics", s.metrics())
	if s.Lag != nil {
		mux.HandleFunc("/fresh", s.fresh)
	}
	mux.HandleFunc("/status.json", s.statusJSON)
	mux.Handle("/", s.pages())
	return guard(local, http.NewCrossOriginProtection().Handler(mux))
}

// policy lets a page have what this server itself serves, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// guard refuses what only reading needs not, and tells browsers to trust little.
func guard(local bool, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		switch {
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			http.Error(w, r.Method+" is not allowed: this server is only read", http.StatusMethodNotAllowed)
		case local && !localName(r.Host):
			http.Error(w, fmt.Sprintf("%q is not a name of this machine: ask for localhost, or have the reverse proxy send a Host of 127.0.0.1", r.Host),
				http.StatusMisdirectedRequest)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func (s *Server) statusJSON(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, s.Snapshot())
}

// writeJSON answers with v. What is shown is a moment's: nobody may keep it.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	_ = enc.Encode(v) // who asked is gone
}

// accepts tells whether a request names a media type among those it accepts.
func accepts(r *http.Request, media string) bool {
	for _, line := range r.Header.Values("Accept") {
		for one := range strings.SplitSeq(line, ",") {
			if name, _, _ := strings.Cut(one, ";"); strings.EqualFold(strings.TrimSpace(name), media) {
				return true
			}
		}
	}
	return false
}
