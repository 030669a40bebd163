package pgq

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/hint"
)

// notice says once why a daemon waits, again every minute while the reason
// stays, and once when the wait is over.
type notice struct {
	log  *slog.Logger
	said map[string]time.Time // reasons of this wait
}

const noticeEvery = time.Minute

func (n *notice) waiting(reason string) { n.say(reason, reason) }

// say logs text unless one with that key was logged within the minute.
func (n *notice) say(key, text string) {
	if at, ok := n.said[key]; ok && time.Since(at) < noticeEvery {
		return
	}
	if n.said == nil {
		n.said = map[string]time.Time{}
	}
	maps.DeleteFunc(n.said, func(_ string, at time.Time) bool { return time.Since(at) >= noticeEvery })
	n.said[key] = time.Now()
	n.log.Warn(strings.Join(strings.Fields(text), " ")) // a connection's error has lines
}

func (n *notice) over(what string) {
	if n.said == nil {
		return
	}
	n.said = nil
	n.log.Info(what)
}

// explain is err with what can be done about it.
func explain(err error) string {
	advice := hint.Of(err)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42883" && strings.Contains(pg.Message, "skytools.") {
		advice = "the schemas here are older than this program: run \"pgqadm INI install\""
	}
	if advice != "" {
		return fmt.Sprintf("%v; hint: %s", err, advice)
	}
	return err.Error()
}

// sleep waits for d, or less when ctx ends or stop is closed.
func sleep(ctx context.Context, d time.Duration, stop <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-stop:
	case <-ctx.Done():
	}
}

func logger(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}
