package pgq

import (
	"context"
	"log/slog"
	"time"
)

// notice says once why a daemon waits, again every minute while the reason
// stays, and once when the wait is over.
type notice struct {
	log    *slog.Logger
	reason string
	said   time.Time
}

const noticeEvery = time.Minute

func (n *notice) waiting(reason string) {
	if reason == n.reason && time.Since(n.said) < noticeEvery {
		return
	}
	n.reason, n.said = reason, time.Now()
	n.log.Warn(reason)
}

func (n *notice) over(what string) {
	if n.reason == "" {
		return
	}
	n.reason = ""
	n.log.Info(what)
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
