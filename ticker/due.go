package ticker

import (
	"context"
	"fmt"
	"time"

	"github.com/skytools-go/skytools/internal/notice"
	"github.com/skytools-go/skytools/internal/session"
)

// dueDelay is the default of Ticker.DueDelay.
const dueDelay = time.Second

// bringDue moves events that are due into their queues. While there are more
// it goes on in the next round, so that ticks come between.
func (t *Ticker) bringDue(ctx context.Context) error {
	delay := t.DueDelay
	if delay <= 0 {
		delay = dueDelay
	}
	if time.Since(t.due) < delay {
		return nil
	}
	t.due = time.Now()
	op := retryEvents()
	op.again = func(n int64) bool {
		if n > 0 {
			t.due = time.Time{}
		}
		return false
	}
	moved, err := op.run(ctx, t.conn)
	t.Stats.add(0, 0, moved)
	if err != nil && session.Outlived(err) {
		t.trouble.Say(op.function, fmt.Sprintf("events that are due wait: %s", notice.Explain(err)))
		return nil
	}
	return err
}
