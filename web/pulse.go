package web

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/skytools-go/skytools/londiste"
)

// pulse shares the looks at a subscriber's lag: one at a time, begun when somebody
// asks, and none within pulsePause of the last.
type pulse struct {
	mu   sync.Mutex
	lag  londiste.Lag
	told bool          // lag holds something
	err  error         // of the last look
	next time.Time     // when another look may begin
	busy chan struct{} // closed at the end of the look under way; nil: none is
}

const (
	pulsePause = 100 * time.Millisecond
	pulseLimit = 5 * time.Second // that a look may take
	// A request waits so long for a look and then has what the one before found,
	// which its age makes greater.
	pulseWait = 300 * time.Millisecond
)

var errNoLook = errors.New("the databases have not answered yet")

// lag is the latest that could be told, and why a look after it failed. Without a
// lag there is only the error.
func (s *Server) lag(ctx context.Context) (*londiste.Lag, error) {
	p := &s.pulse
	p.mu.Lock()
	busy := p.busy
	if busy == nil && !time.Now().Before(p.next) {
		busy = make(chan struct{})
		p.busy = busy
		s.looks.Go(func() { s.feel(busy) })
	}
	p.mu.Unlock()
	if busy != nil {
		wait := time.NewTimer(pulseWait)
		defer wait.Stop()
		select {
		case <-busy:
		case <-wait.C:
		case <-ctx.Done():
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.told {
		if p.err == nil {
			return nil, errNoLook
		}
		return nil, p.err
	}
	lag := p.lag
	return &lag, p.err
}

// feel is one look. Whoever asked for it may be gone: it is for all.
func (s *Server) feel(done chan struct{}) {
	ctx, cancel := context.WithTimeout(s.life, pulseLimit)
	defer cancel()
	lag, err := s.Lag(ctx)
	p := &s.pulse
	p.mu.Lock()
	defer p.mu.Unlock()
	switch p.err = err; {
	case err == nil:
		p.lag, p.told = lag, true
	case onlyProvider(err):
		p.lag.Parked, p.lag.Copying = lag.Parked, lag.Copying
	}
	p.next, p.busy = time.Now().Add(pulsePause), nil
	close(done)
}
