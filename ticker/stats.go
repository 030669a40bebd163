package ticker

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/skytools-go/skytools/internal/notice"
)

// Stats counts what tickers and maintainers have done and logs it as a line,
// `{ticks: 10, maint: 4, retry: 0}`: ticks made, maintenance calls done,
// events brought back for a retry. Those of many databases may share one.
type Stats struct {
	Log   *slog.Logger
	Every time.Duration // period of the line; default 5 min

	mu                    sync.Mutex
	ticks, maint, retries int64
	told                  time.Time // when a line was last logged, or the count began
}

// add counts, and logs the line when its time has come.
func (s *Stats) add(ticks, maint, retries int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ticks, s.maint, s.retries = s.ticks+ticks, s.maint+maint, s.retries+retries
	every := s.Every
	if every <= 0 {
		every = 5 * time.Minute
	}
	switch {
	case s.told.IsZero():
		s.told = time.Now()
	case time.Since(s.told) >= every:
		notice.Logger(s.Log).Info(fmt.Sprintf("{ticks: %d, maint: %d, retry: %d}", s.ticks, s.maint, s.retries))
		s.ticks, s.maint, s.retries, s.told = 0, 0, 0, time.Now()
	}
}
