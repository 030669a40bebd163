package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"

	"github.com/skytools-go/skytools/internal/hint"
)

// Pipe runs a COPY TO at one side into a COPY FROM at the other.
type Pipe struct {
	From, To *pgx.Conn
	// Meter, which may be nil, is told of the rows and bytes of each block
	// before it goes on, and may keep it waiting. The rows are a close guess: a
	// server sends each in a message of its own, and a header with the first.
	Meter func(ctx context.Context, rows, bytes int64) error
}

// Run moves the rows and returns their number. An error at either side ends
// both: half of what out reads is never committed.
func (p Pipe) Run(ctx context.Context, out, in string) (int64, error) {
	var sent, got int64
	g, ctx := errgroup.WithContext(ctx)
	r := newRing(ctx, p.Meter)
	g.Go(func() error {
		tag, err := p.From.PgConn().CopyTo(ctx, r, out)
		if err == nil {
			err = r.flush()
		}
		sent = tag.RowsAffected()
		r.closeWrite(err) // an error becomes the reader's, and so its COPY's
		if err != nil && !errors.Is(err, errReader) {
			return fmt.Errorf("provider: %w", tooLarge(err))
		}
		return nil
	})
	g.Go(func() error {
		tag, err := p.To.PgConn().CopyFrom(ctx, r, in)
		got = tag.RowsAffected()
		r.closeRead()
		if err != nil && !r.told {
			return fmt.Errorf("subscriber: %w", tooLarge(err))
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return 0, err
	}
	if sent != got {
		return 0, fmt.Errorf("the provider sent %d rows, the subscriber took %d", sent, got)
	}
	return got, nil
}

// tooLarge says what the server means that finds no place for a row, which COPY
// sends as one piece: it speaks of memory.
func tooLarge(err error) error {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || pg.Routine != "enlargeStringInfo" && pg.File != "mcxt.c" {
		return err
	}
	return hint.With(err, "if a row holds more than 1 GB, or comes near it: such rows cannot be replicated, cut their values into several rows")
}

var errReader = errors.New("the other side has ended")
