package replay

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/semaphore"

	"github.com/skytools-go/skytools/internal/apply"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

// part is some events of one batch, in order. A batch is one part or more;
// only the last has last set, and only a batch without events has an empty
// one. A part with again takes back those before it: the batch follows from
// its beginning. A part with err ends everything.
type part struct {
	prev, cur pgq.Tick
	events    []apply.Event
	size      int64 // bytes taken from the fetcher's budget
	last      bool
	again     bool
	err       error
}

// A part is sent when it has partBytes or partEvents.
const (
	partBytes  = 256 << 10
	partEvents = 2000
)

// fetcher reads batch after batch over a connection of its own, ahead of
// whoever applies them, by no more than its budget of bytes (one event larger
// than the budget passes alone).
type fetcher struct {
	conn   *pgx.Conn
	reader *pgq.Reader
	merge  int64 // events up to which ticks are merged
	budget int64
	idle   time.Duration // longest wait between two looks for a tick
	wake   chan struct{}
	ring   func() // called after a part was sent; may be nil

	parts  chan part
	room   *semaphore.Weighted
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// start begins to read after tick from.
func (f *fetcher) start(ctx context.Context, from pgq.Tick) {
	ctx, f.cancel = context.WithCancel(ctx)
	f.init()
	f.done.Go(func() {
		err := f.run(ctx, from)
		if ctx.Err() == nil {
			_ = f.send(ctx, part{err: err})
		}
	})
}

func (f *fetcher) init() {
	f.parts = make(chan part, 64)
	f.room = semaphore.NewWeighted(f.budget)
}

// stop ends the reading and closes the connection.
func (f *fetcher) stop() {
	f.cancel()
	f.done.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), set.CloseTimeout)
	defer cancel()
	_ = f.conn.Close(ctx)
}

// free gives a part's bytes back once its events are applied.
func (f *fetcher) free(p part) { f.room.Release(p.size) }

func (f *fetcher) run(ctx context.Context, prev pgq.Tick) error {
	for {
		cur, found, err := f.reader.Next(ctx, prev, f.merge)
		if err != nil {
			return err
		}
		if !found {
			if err := f.wait(ctx); err != nil {
				return err
			}
			continue
		}
		err = f.stream(ctx, prev, cur)
		if errors.Is(err, pgq.ErrOutOfOrder) {
			if err := f.send(ctx, part{prev: prev, cur: cur, again: true}); err != nil {
				return err
			}
			err = f.stream(ctx, prev, cur)
		}
		if err != nil {
			return err
		}
		prev = cur
	}
}

func (f *fetcher) wait(ctx context.Context) error {
	t := time.NewTimer(f.idle)
	defer t.Stop()
	select {
	case <-t.C:
	case <-f.wake:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

func (f *fetcher) stream(ctx context.Context, prev, cur pgq.Tick) error {
	var (
		b   = partBuilder{prev: prev, cur: cur, small: 5} // most batches are small
		typ []byte                                        // of the event before: most are equal
	)
	err := f.reader.Stream(ctx, prev, cur, func(ev *pgq.RawEvent) error {
		if !b.fits(ev) {
			if err := f.send(ctx, b.take()); err != nil {
				return err
			}
		}
		if !bytes.Equal(typ, ev.Type) {
			typ = bytes.Clone(ev.Type)
		}
		b.add(ev, typ)
		return nil
	})
	if err != nil {
		return err
	}
	p := b.take()
	p.last = true
	return f.send(ctx, p)
}

func (f *fetcher) send(ctx context.Context, p part) error {
	p.size = min(p.size, f.budget)
	if err := f.room.Acquire(ctx, p.size); err != nil {
		return err
	}
	select {
	case f.parts <- p:
	case <-ctx.Done():
		return ctx.Err()
	}
	if f.ring != nil {
		f.ring()
	}
	return nil
}

// partBuilder collects events whose bytes lie in one block of memory.
type partBuilder struct {
	prev, cur pgq.Tick
	events    []apply.Event
	block     []byte
	small     int // the next block is partBytes >> small
}

func (b *partBuilder) fits(ev *pgq.RawEvent) bool {
	need := len(ev.Data) + len(ev.Extra1)
	return len(b.events) == 0 || len(b.events) < partEvents && len(b.block)+need <= cap(b.block)
}

func (b *partBuilder) add(ev *pgq.RawEvent, typ []byte) {
	if len(b.events) == 0 {
		b.block = make([]byte, 0, max(len(ev.Data)+len(ev.Extra1), partBytes>>b.small))
		b.small = max(b.small-1, 0)
	}
	b.events = append(b.events, apply.Event{
		ID: int64(ev.ID), Tx: int64(ev.TxID), Type: typ, Data: b.keep(ev.Data), Extra1: b.keep(ev.Extra1),
	})
}

// keep copies data into the block; nil stays nil.
func (b *partBuilder) keep(data []byte) []byte {
	if data == nil {
		return nil
	}
	from := len(b.block)
	b.block = append(b.block, data...)
	return b.block[from:len(b.block):len(b.block)]
}

func (b *partBuilder) take() part {
	const perEvent = 120 // the event's own struct and its share of the slice
	p := part{
		prev: b.prev, cur: b.cur, events: b.events,
		size: int64(cap(b.block) + perEvent*len(b.events)),
	}
	b.events, b.block = nil, nil
	return p
}
