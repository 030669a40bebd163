package relay

import (
	"bufio"
	"context"
	"fmt"
	"io"

	"github.com/skytools-go/skytools/internal/loop"
	"github.com/skytools-go/skytools/pgq"
)

// Lines writes events to a writer, each in a line of its own.
type Lines struct {
	W      io.Writer
	Format func(b []byte, ev pgq.Event) ([]byte, error) // appends a line, without its newline
	// Done, if not nil, is called for each batch that W has taken.
	Done func(b *pgq.Batch)
}

// Handle is the [pgq.Handler]. The batch ends only after W has taken all of its
// lines; a W that takes no more ends [pgq.Consumer.Run], and the batch comes
// again to the next.
func (l *Lines) Handle(ctx context.Context, b *pgq.Batch) error {
	w := bufio.NewWriterSize(l.W, 64<<10)
	var line []byte
	for ev, err := range b.Events(ctx) {
		if err != nil {
			return err
		}
		if line, err = l.Format(line[:0], ev); err != nil {
			return loop.Permanent(fmt.Errorf("event %d: %w", ev.ID, err))
		}
		if _, err := w.Write(append(line, '\n')); err != nil {
			return loop.Permanent(err)
		}
	}
	if err := w.Flush(); err != nil {
		return loop.Permanent(err)
	}
	if l.Done != nil {
		l.Done(b)
	}
	return nil
}
