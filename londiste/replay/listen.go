package replay

import (
	"context"
	"sync"
	"time"

	"github.com/skytools-go/skytools/londiste/set"
)

// tickChannel is where tickers notify, with the queue's name as payload.
const tickChannel = "skytools_tick"

// bell wakes everybody who waits for a tick.
type bell struct {
	mu   sync.Mutex
	subs map[chan struct{}]bool
}

func newBell() *bell { return &bell{subs: map[chan struct{}]bool{}} }

// subscribe makes c, which has room for one value, hold one after each ring.
func (b *bell) subscribe(c chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.subs[c] = true
}

func (b *bell) unsubscribe(c chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.subs, c)
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.subs {
		poke(c)
	}
}

// listener rings the bell at each notification of the queue's ticker. It is a
// gain in time only: whoever waits looks by itself as well. So its failures
// are logged and retried apart, and stop nobody.
type listener struct {
	pair   *set.Pair
	bell   *bell
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func newListener(p *set.Pair, b *bell) *listener { return &listener{pair: p, bell: b} }

func (l *listener) start(ctx context.Context) {
	ctx, l.cancel = context.WithCancel(ctx)
	l.done.Go(func() {
		for ctx.Err() == nil {
			err := l.run(ctx)
			if ctx.Err() != nil {
				return
			}
			l.pair.Logger().Debug("no notifications from the provider", "error", err)
			select {
			case <-time.After(5 * time.Second):
			case <-ctx.Done():
			}
		}
	})
}

func (l *listener) stop() {
	l.cancel()
	l.done.Wait()
}

func (l *listener) run(ctx context.Context) error {
	conn, err := l.pair.ConnectProvider(ctx)
	if err != nil {
		return err
	}
	defer set.CloseConn(&conn)
	if err := set.PrepareProvider(ctx, conn); err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, "listen "+tickChannel); err != nil {
		return err
	}
	l.bell.ring() // for what was missed before
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		if n.Payload == l.pair.Queue {
			l.bell.ring()
		}
	}
}
