package pgq

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"
)

// decoder is the receiving end of a binary COPY of events: an io.Writer that
// hands each complete row to fn. It takes the bytes in any pieces; what the
// server sends, one row a piece, is decoded where it lies, and only a row cut
// by a piece's end is put together in buf.
type decoder struct {
	fn      func(*RawEvent) error
	fnErr   error // what fn returned, as it stands
	ev      RawEvent
	buf     []byte
	rows    int64
	whole   bool // rows have all columns of an event
	begun   bool // header is behind us
	trailer bool // end marker is behind us
}

const (
	copySignature  = "PGCOPY\n\xff\r\n\x00"
	copyHeaderSize = len(copySignature) + 4 + 4
	eventColumns   = 6
	wholeColumns   = 10
	keepBuffer     = 1 << 20 // a larger one, left by a huge row, is given back
)

var errStream = errors.New("malformed COPY data")

func (d *decoder) reset(fn func(*RawEvent) error) {
	buf := d.buf[:0]
	if cap(buf) > keepBuffer {
		buf = nil
	}
	*d = decoder{fn: fn, buf: buf, whole: d.whole}
}

// Write implements io.Writer.
func (d *decoder) Write(p []byte) (int, error) {
	if len(d.buf) == 0 {
		n, err := d.consume(p)
		if err == nil {
			d.buf = append(d.buf, p[n:]...)
		}
		return len(p), err
	}
	d.buf = append(d.buf, p...)
	n, err := d.consume(d.buf)
	d.buf = d.buf[:copy(d.buf, d.buf[n:])]
	return len(p), err
}

// consume decodes the complete rows at the front of p and returns their size.
func (d *decoder) consume(p []byte) (int, error) {
	used := 0
	if !d.begun {
		n, err := header(p)
		if n == 0 || err != nil {
			return 0, err
		}
		d.begun, used = true, n
	}
	for {
		n, err := d.row(p[used:])
		if n == 0 || err != nil {
			return used, err
		}
		used += n
	}
}

// header returns the size of the stream's header, 0 while it is incomplete.
func header(p []byte) (int, error) {
	if len(p) < copyHeaderSize {
		return 0, nil
	}
	if string(p[:len(copySignature)]) != copySignature {
		return 0, fmt.Errorf("%w: no signature", errStream)
	}
	extension := binary.BigEndian.Uint32(p[copyHeaderSize-4:])
	if extension > keepBuffer {
		return 0, fmt.Errorf("%w: header of %d bytes", errStream, extension)
	}
	if len(p) < copyHeaderSize+int(extension) {
		return 0, nil
	}
	return copyHeaderSize + int(extension), nil
}

// row decodes the row at the front of p, gives it to fn, and returns its
// size, 0 while it is incomplete.
func (d *decoder) row(p []byte) (int, error) {
	if len(p) < 2 {
		return 0, nil
	}
	if d.trailer {
		return 0, fmt.Errorf("%w: bytes after the end", errStream)
	}
	columns := eventColumns
	if d.whole {
		columns = wholeColumns
	}
	switch count := int(int16(binary.BigEndian.Uint16(p))); count {
	case -1:
		d.trailer = true
		return 2, nil
	case columns:
	default:
		return 0, fmt.Errorf("%w: row of %d columns", errStream, count)
	}
	var fields [wholeColumns][]byte
	pos := 2
	for i := range columns {
		if len(p) < pos+4 {
			return 0, nil
		}
		size := int32(binary.BigEndian.Uint32(p[pos:]))
		pos += 4
		if size == -1 {
			continue
		}
		if size < 0 {
			return 0, fmt.Errorf("%w: column of %d bytes", errStream, size)
		}
		if len(p)-pos < int(size) {
			return 0, nil
		}
		fields[i] = p[pos : pos+int(size) : pos+int(size)]
		pos += int(size)
	}
	if len(fields[0]) != 8 || len(fields[1]) != 8 {
		return 0, fmt.Errorf("%w: event without id or transaction", errStream)
	}
	d.ev = RawEvent{
		ID:     EventID(binary.BigEndian.Uint64(fields[0])),
		TxID:   TxID(binary.BigEndian.Uint64(fields[1])),
		Type:   fields[2],
		Data:   fields[3],
		Extra1: fields[4],
		Extra2: fields[5],
	}
	if d.whole {
		var err error
		if d.ev.rest, err = restOf(fields[eventColumns:]); err != nil {
			return 0, err
		}
	}
	d.rows++
	if err := d.fn(&d.ev); err != nil {
		d.fnErr = err
		return 0, err
	}
	return pos, nil
}

// postgresEpoch is from where the server counts microseconds.
var postgresEpoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).UnixMicro()

func restOf(fields [][]byte) (restOfEvent, error) {
	rest := restOfEvent{extra3: fields[2], extra4: fields[3]}
	if len(fields[0]) != 8 || len(fields[1]) != 4 && fields[1] != nil {
		return rest, fmt.Errorf("%w: event without time", errStream)
	}
	if at := int64(binary.BigEndian.Uint64(fields[0])); at != math.MaxInt64 && at != math.MinInt64 { // infinity stays zero
		rest.time = time.UnixMicro(at + postgresEpoch)
	}
	if fields[1] != nil {
		rest.retry = int32(binary.BigEndian.Uint32(fields[1]))
	}
	return rest, nil
}

// end checks that the stream came whole: rows is the server's own count.
func (d *decoder) end(rows int64) error {
	switch {
	case !d.trailer || len(d.buf) > 0:
		return fmt.Errorf("%w: no end", errStream)
	case rows != d.rows:
		return fmt.Errorf("%w: %d rows of %d", errStream, d.rows, rows)
	}
	return nil
}
