// Package notice tells a daemon's troubles to its log: each once, again every
// minute while it stays, and once that it is over.
package notice

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/hint"
)

// Notice says once why a daemon waits, again every minute while the reason
// stays, and once when the wait is over.
type Notice struct {
	Log  *slog.Logger
	said map[string]time.Time // reasons of this wait
}

// Every is how often a reason is told again.
const Every = time.Minute

// Waiting logs the reason of a wait.
func (n *Notice) Waiting(reason string) { n.Say(reason, reason) }

// Say logs text unless one with that key was logged within the minute.
func (n *Notice) Say(key, text string) {
	if at, ok := n.said[key]; ok && time.Since(at) < Every {
		return
	}
	if n.said == nil {
		n.said = map[string]time.Time{}
	}
	maps.DeleteFunc(n.said, func(_ string, at time.Time) bool { return time.Since(at) >= Every })
	n.said[key] = time.Now()
	n.Log.Warn(strings.Join(strings.Fields(text), " ")) // a connection's error has lines
}

// Over logs what works again, if a wait was told.
func (n *Notice) Over(what string) {
	if n.said == nil {
		return
	}
	n.said = nil
	n.Log.Info(what)
}

// Explain is err with what can be done about it.
func Explain(err error) string {
	advice := hint.Of(err)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42883" && strings.Contains(pg.Message, "skytools.") {
		advice = "the schemas here are older than this program: run \"pgqadm INI install\""
	}
	if advice != "" {
		return fmt.Sprintf("%v; hint: %s", err, advice)
	}
	return err.Error()
}

// Logger is l, or one that drops everything where l is nil.
func Logger(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}
