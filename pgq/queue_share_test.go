package pgq

import "testing"

// A consumer's share of the event tables is never more than they are, and 0
// where nothing tells.
func TestShare(t *testing.T) {
	for _, c := range []struct{ size, kept, events, want int64 }{
		{1000, 100, 10, 100}, {1000, 100, 250, 1000}, {1000, 0, 10, 0}, {1000, 100, 0, 0}, {1 << 50, 1 << 40, 1 << 39, 1 << 49},
	} {
		if got := (Queue{Size: c.size, EventsKept: c.kept}).Share(c.events); got != c.want {
			t.Errorf("%d of %d events in %d bytes: %d, want %d", c.events, c.kept, c.size, got, c.want)
		}
	}
}
