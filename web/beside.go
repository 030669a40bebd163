package web

import (
	"context"
	"net"
	"sync"

	"github.com/skytools-go/skytools/internal/notice"
)

// Beside runs the server on l while work runs, and returns work's error. A server
// that fails is logged, and work goes on: nobody waits for a page as for a row.
// Without l there is only work.
func (s *Server) Beside(ctx context.Context, l net.Listener, work func(ctx context.Context) error) error {
	if l == nil {
		return work(ctx)
	}
	ours, end := context.WithCancel(ctx)
	var all sync.WaitGroup
	all.Go(func() {
		if err := s.Run(ours, l); err != nil {
			notice.Logger(s.Log).Error("HTTP ended", "error", err)
		}
	})
	defer all.Wait()
	defer end()
	return work(ctx)
}
