package cli

import (
	"context"
	"log/slog"
)

// Reloading serves a daemon with its settings, and after SIGHUP again with
// those that load reads anew. What is wrong with them is logged, and the old
// ones stay in force without an interruption. serve is to return, without an
// error, when its job's Stop is closed.
func Reloading[T any](ctx context.Context, job Job, settings T, load func() (T, error),
	serve func(ctx context.Context, settings T, job Job) error,
) error {
	for {
		stop, ended := make(chan struct{}), make(chan error, 1)
		now := job
		now.Stop = stop
		go func(settings T) { ended <- serve(ctx, settings, now) }(settings)
		again := false
		for !again {
			select {
			case <-job.Reload:
				fresh, err := load()
				if err != nil {
					job.Log.Error("reload: the old settings stay", slog.Any("error", err))
					continue
				}
				settings, again = fresh, true
			case <-job.Stop:
				close(stop)
				return <-ended
			case err := <-ended:
				return err
			}
		}
		close(stop)
		if err := <-ended; err != nil {
			return err
		}
		job.Log.Info("Settings reloaded")
	}
}
