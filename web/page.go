package web

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/notice"
	"github.com/skytools-go/skytools/internal/noun"
)

//go:embed templates static
var files embed.FS

// page is what a template gets.
type page struct {
	Name     string // of the template, and of the page in links
	Title    string
	Program  string
	Version  string
	Events   bool // rows can be read, so there are pages of them
	Live     bool // changes by itself
	Streamed bool // is the part that changed, for a page whose script draws the charts
	Every    time.Duration
	Shown    shown
	Topology struct{ Wide, Narrow template.HTML } // of the overview
	Charts   []chart
	Rows     *rows // of the pages of events and dead letters
}

// titles are the pages by name.
var titles = map[string]string{
	"overview": "Overview", "tables": "Tables", "queues": "Queues", "events": "Events", "dead": "Dead letters",
}

// templates are the pages, each with the frame around it.
var templates = func() map[string]*template.Template {
	all := map[string]*template.Template{}
	for name := range titles {
		all[name] = template.Must(template.New("").Funcs(words).
			ParseFS(files, "templates/frame.html", "templates/parts.html", "templates/"+name+".html"))
	}
	return all
}()

// words are what templates call. Every text from outside goes through clean:
// the templates escape it, clean takes what a browser would obey beside markup.
var words = template.FuncMap{
	"clean": cleaned, "static": staticURL,
	"age": ageText, "secs": secondsText, "num": grouped, "noun": noun.For[int64],
	"size":    func(n int64) string { return cli.Size(n).Text },
	"stamp":   func(t time.Time) string { return t.UTC().Format(time.DateTime) + " UTC" },
	"percent": func(f float64) int { return int(100 * f) },
	"whole":   func(f float64) int64 { return int64(f) },
	"wide":    func(n int) int64 { return int64(n) },
	"remarks": remarks,
	"word":    func(text string) string { first, _, _ := strings.Cut(text, " "); return first },
	"query": func(database, queue string) template.URL {
		return template.URL(url.Values{"database": {database}, "queue": {queue}}.Encode())
	},
	"ago": func(p page, t time.Time) any {
		return struct {
			At  string
			Age time.Duration
		}{t.UTC().Format(time.RFC3339), p.Shown.Now.Sub(t)}
	},
	"link": func(p page, name, href, text string) any {
		return struct{ Page, Name, Href, Text string }{p.Name, name, href, text}
	},
}

// pages answers for the dashboard: pages, their live parts, charts, static files.
func (s *Server) pages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", s.show("overview"))
	for _, name := range []string{"tables", "queues"} {
		mux.HandleFunc("/"+name, s.show(name))
	}
	if s.Rows != nil {
		mux.HandleFunc("/events", s.showRows("events", s.Rows.events))
		mux.HandleFunc("/dead", s.showRows("dead", s.Rows.dead))
	}
	mux.HandleFunc("/live/{page}", s.live)
	mux.HandleFunc("/series.json", s.series)
	mux.Handle("/static/", http.HandlerFunc(serveStatic))
	return mux
}

// page fills in what all pages have.
func (s *Server) page(name string) page {
	now := time.Now()
	if s.clock != nil {
		now = s.clock()
	}
	p := page{
		Name: name, Title: titles[name], Program: s.Program, Version: s.Version, Events: s.Rows != nil,
		Every: s.every(), Shown: show(s.Snapshot(), now, s.every()),
	}
	if name == "overview" {
		p.Topology.Wide, p.Topology.Narrow = p.Shown.topology()
		p.Charts = s.past.charts()
	}
	return p
}

func (s *Server) show(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		p := s.page(name)
		p.Live = true
		s.render(w, http.StatusOK, "frame", p)
	}
}

// Patience is how long the stream of a page is silent at the most, while the
// program lives and somebody looks.
func (p page) Patience() time.Duration { return p.Every + lookLimit + 5*time.Second }

// render answers with a page, made before a byte of it is sent.
func (s *Server) render(w http.ResponseWriter, status int, part string, p page) {
	var b bytes.Buffer
	if err := templates[p.Name].ExecuteTemplate(&b, part, p); err != nil {
		notice.Logger(s.Log).Error("page "+p.Name, "error", err)
		http.Error(w, "the page could not be made; the log tells why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // who asked is gone
}

// mostStreams is how many browsers may hold a page open; those of more load theirs
// anew when their patience ends.
const mostStreams = 64

// live sends the part of a page that changes at each snapshot, as an event
// stream, until the browser leaves.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("page")
	if templates[name] == nil || name == "events" || name == "dead" {
		http.NotFound(w, r)
		return
	}
	if s.streams.Add(1) > mostStreams {
		s.streams.Add(-1)
		w.Header().Set("Retry-After", "60")
		http.Error(w, "too many live pages are open", http.StatusServiceUnavailable)
		return
	}
	defer s.streams.Add(-1)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep it back
	out := http.NewResponseController(w)
	for {
		changed := s.Changed()
		var b bytes.Buffer
		p := s.page(name)
		p.Streamed = true
		if templates[name].ExecuteTemplate(&b, "live", p) != nil {
			return // the page itself tells it in the log
		}
		_ = out.SetWriteDeadline(time.Now().Add(10 * time.Second)) // a recorder has none
		for line := range strings.Lines(b.String()) {
			if _, err := fmt.Fprintf(w, "data: %s\n", strings.TrimRight(line, "\r\n")); err != nil {
				return
			}
		}
		if _, err := fmt.Fprint(w, "\n"); err != nil || out.Flush() != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-changed:
		case <-time.After(s.every() + lookLimit): // no look ends: the page tells the age
		}
	}
}
