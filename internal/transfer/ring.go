package transfer

import (
	"context"
	"io"
)

// The ring between the two sides of a pipe: the writer fills a block while
// the reader empties another.
const (
	blockSize = 128 << 10
	blocks    = 8
)

// ring is a writer and a reader for one goroutine each.
type ring struct {
	ctx   context.Context
	meter func(ctx context.Context, rows, bytes int64) error
	full  chan block
	free  chan []byte
	gone  chan struct{} // closed when the reader has ended
	err   error         // why the writer ended; set before full is closed

	filling block // the writer's
	reading block // the reader's
	at      int
	told    bool // the reader has been given the writer's error
}

type block struct {
	data []byte
	rows int64 // that end in it
}

func newRing(ctx context.Context, meter func(ctx context.Context, rows, bytes int64) error) *ring {
	r := &ring{
		ctx: ctx, meter: meter,
		full: make(chan block, blocks), free: make(chan []byte, blocks), gone: make(chan struct{}),
	}
	for range blocks {
		r.free <- nil // made when first needed: a small table needs one
	}
	return r
}

// Write takes one row. A row larger than a block is cut.
func (r *ring) Write(p []byte) (int, error) {
	n := len(p)
	for {
		if err := r.room(); err != nil {
			return 0, err
		}
		fits := min(len(p), cap(r.filling.data)-len(r.filling.data))
		r.filling.data = append(r.filling.data, p[:fits]...)
		p = p[fits:]
		if len(p) == 0 {
			r.filling.rows++
			return n, nil
		}
		if err := r.flush(); err != nil {
			return 0, err
		}
	}
}

// room makes sure that there is a block to fill.
func (r *ring) room() error {
	if r.filling.data != nil {
		return nil
	}
	select {
	case data := <-r.free:
		if data == nil {
			data = make([]byte, 0, blockSize)
		}
		r.filling = block{data: data[:0]}
		return nil
	case <-r.gone:
		return errReader
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// flush hands the block that is being filled to the reader.
func (r *ring) flush() error {
	if len(r.filling.data) == 0 {
		return nil
	}
	if r.meter != nil {
		if err := r.meter(r.ctx, r.filling.rows, int64(len(r.filling.data))); err != nil {
			return err
		}
	}
	r.full <- r.filling // has room for every block
	r.filling = block{}
	return nil
}

func (r *ring) closeWrite(err error) {
	r.err = err
	close(r.full)
}

// Read gives out what was written; after the last of it the writer's error,
// io.EOF where it had none.
func (r *ring) Read(p []byte) (int, error) {
	for r.at == len(r.reading.data) {
		if r.reading.data != nil {
			r.free <- r.reading.data
			r.reading, r.at = block{}, 0
		}
		next, more := <-r.full
		if !more {
			if r.err != nil {
				r.told = true
				return 0, r.err
			}
			return 0, io.EOF
		}
		r.reading = next
	}
	n := copy(p, r.reading.data[r.at:])
	r.at += n
	return n, nil
}

func (r *ring) closeRead() { close(r.gone) }
