package daemon

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// Signals are the process's signals as a daemon's loop wants them.
type Signals struct {
	// Stop is closed by the first SIGINT: finish the current batch, then
	// leave.
	Stop <-chan struct{}
	// Reload gets a value for SIGHUP; several that were not received in
	// between are one.
	Reload <-chan struct{}
}

// Listen takes over SIGINT, SIGTERM and SIGHUP until release is called. The
// context ends at once at SIGTERM and at a second SIGINT; [context.Cause]
// names the signal.
func Listen(parent context.Context) (ctx context.Context, s Signals, release func()) {
	ctx, cancel := context.WithCancelCause(parent)
	stop, reload := make(chan struct{}), make(chan struct{}, 1)
	incoming := make(chan os.Signal, 4)
	signal.Notify(incoming, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	done, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		stopping := false
		for {
			select {
			case <-done:
				return
			case sig := <-incoming:
				switch {
				case sig == syscall.SIGHUP:
					select {
					case reload <- struct{}{}:
					default:
					}
				case sig == syscall.SIGINT && !stopping:
					stopping = true
					close(stop)
				default:
					cancel(fmt.Errorf("ended by %s", name(sig)))
				}
			}
		}
	}()
	release = sync.OnceFunc(func() {
		signal.Stop(incoming)
		close(done)
		<-gone
		cancel(context.Canceled)
	})
	return ctx, Signals{Stop: stop, Reload: reload}, release
}

func name(sig os.Signal) string {
	switch sig {
	case syscall.SIGINT:
		return "SIGINT"
	case syscall.SIGTERM:
		return "SIGTERM"
	case syscall.SIGHUP:
		return "SIGHUP"
	}
	return sig.String()
}
