package transfer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"pgregory.net/rapid"
)

// What goes in comes out, whatever the sizes of rows and of the reader's
// buffer, and each row is metered once.
func TestRingKeepsBytesAndOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(0, 3*blockSize)), 0, 40).Draw(t, "rows")
		buf := make([]byte, rapid.IntRange(1, 2*blockSize).Draw(t, "buffer"))
		var rows, size int64
		r := newRing(context.Background(), func(_ context.Context, n, b int64) error {
			rows, size = rows+n, size+b
			return nil
		})
		var want bytes.Buffer
		go func() {
			for i, n := range sizes {
				row := bytes.Repeat([]byte{byte(i)}, n)
				want.Write(row)
				if _, err := r.Write(row); err != nil {
					t.Errorf("write: %v", err)
				}
			}
			r.closeWrite(r.flush())
		}()
		var got bytes.Buffer
		for {
			n, err := r.Read(buf)
			got.Write(buf[:n])
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Fatalf("%d bytes came out of %d, or in another order", got.Len(), want.Len())
		}
		if size != int64(want.Len()) || want.Len() > 0 && sizes[len(sizes)-1] > 0 && rows != int64(len(sizes)) {
			t.Fatalf("metered %d rows of %d, %d bytes of %d", rows, len(sizes), size, want.Len())
		}
	})
}

// The writer's error reaches the reader after all that was written; a reader
// that has ended, and the end of the context, free a writer that waits.
func TestRingEnds(t *testing.T) {
	odd := errors.New("odd")
	r := newRing(t.Context(), nil)
	_, _ = r.Write([]byte("abc"))
	r.closeWrite(errors.Join(odd, r.flush()))
	got, err := io.ReadAll(r)
	if string(got) != "abc" || !errors.Is(err, odd) || !r.told {
		t.Errorf("%q, %v, told %v", got, err, r.told)
	}
	for what, end := range map[string]func(r *ring, cancel func()){
		"reader":  func(r *ring, _ func()) { r.closeRead() },
		"context": func(_ *ring, cancel func()) { cancel() },
	} {
		ctx, cancel := context.WithCancel(t.Context())
		r := newRing(ctx, nil)
		done := make(chan error)
		go func() {
			for {
				if _, err := r.Write(make([]byte, blockSize)); err != nil {
					done <- err
					return
				}
			}
		}()
		end(r, cancel)
		if err := <-done; err == nil {
			t.Errorf("%s: the writer goes on", what)
		}
		cancel()
	}
}
