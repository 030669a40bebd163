package logfile

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/skytools-go/skytools/internal/dsn"
)

// LevelFatal is Skytools' FATAL: a job that crashed or cannot start.
const LevelFatal = slog.Level(12)

// Level is the least level to log under -q (WARNING), -v (DEBUG) or neither
// (INFO). -v wins over -q.
func Level(quiet, verbose bool) slog.Level {
	switch {
	case verbose:
		return slog.LevelDebug
	case quiet:
		return slog.LevelWarn
	}
	return slog.LevelInfo
}

func levelName(l slog.Level) string {
	switch {
	case l < slog.LevelInfo:
		return "DEBUG"
	case l < slog.LevelWarn:
		return "INFO"
	case l < slog.LevelError:
		return "WARNING"
	case l < LevelFatal:
		return "ERROR"
	}
	return "FATAL"
}

// handler formats a record as a line and hands it to put.
type handler struct {
	level  slog.Leveler
	stamp  bool // time and process id first
	attrs  string
	groups string // prefix of keys, ends in a dot
	put    func(l slog.Level, line string) error
}

// NewHandler writes lines with time and process id to w, one Write each.
func NewHandler(w io.Writer, level slog.Leveler) slog.Handler {
	return &handler{level: level, stamp: true, put: lines(w)}
}

// NewConsole writes lines without time and process id to w, one Write each.
func NewConsole(w io.Writer, level slog.Leveler) slog.Handler {
	return &handler{level: level, put: lines(w)}
}

func lines(w io.Writer) func(slog.Level, string) error {
	var mu sync.Mutex
	return func(_ slog.Level, line string) error {
		mu.Lock()
		defer mu.Unlock()
		_, err := io.WriteString(w, line+"\n")
		return err
	}
}

func (h *handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level.Level() }

func (h *handler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	if h.stamp {
		t := r.Time
		if t.IsZero() {
			t = time.Now()
		}
		fmt.Fprintf(&b, "%s %d ", t.Local().Format("2006-01-02 15:04:05,000"), os.Getpid())
	}
	b.WriteString(levelName(r.Level))
	b.WriteByte(' ')
	b.WriteString(oneRecord(dsn.Redact(r.Message)))
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		writeAttr(&b, h.groups, a)
		return true
	})
	return h.put(r.Level, b.String())
}

func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b strings.Builder
	for _, a := range attrs {
		writeAttr(&b, h.groups, a)
	}
	with := *h
	with.attrs += b.String()
	return &with
}

func (h *handler) WithGroup(name string) slog.Handler {
	with := *h
	if name != "" {
		with.groups += name + "."
	}
	return &with
}

func writeAttr(b *strings.Builder, groups string, a slog.Attr) {
	v := a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return
	}
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			groups += a.Key + "."
		}
		for _, inner := range v.Group() {
			writeAttr(b, groups, inner)
		}
		return
	}
	text := v.String()
	if v.Kind() == slog.KindTime {
		text = v.Time().Format(time.RFC3339Nano)
	}
	b.WriteString(" " + quoted(groups+a.Key) + "=" + quoted(dsn.Redact(text)))
}

// quoted is s as it stands, or as a Go string where it would not end at the
// next blank.
func quoted(s string) string {
	odd := func(c rune) bool { return unicode.IsSpace(c) || !unicode.IsPrint(c) || c == '"' || c == '=' }
	if s == "" || strings.ContainsFunc(s, odd) {
		return strconv.Quote(s)
	}
	return s
}

// oneRecord indents further lines and makes other control characters visible.
func oneRecord(s string) string {
	if !strings.ContainsFunc(s, unicode.IsControl) {
		return s
	}
	var b strings.Builder
	for _, c := range strings.TrimRight(s, "\n") {
		switch {
		case c == '\n':
			b.WriteString("\n\t")
		case c != '\t' && unicode.IsControl(c):
			q := strconv.QuoteRune(c)
			b.WriteString(q[1 : len(q)-1])
		default:
			b.WriteRune(c)
		}
	}
	return b.String()
}
