package noun

import "testing"

func TestCount(t *testing.T) {
	for n, want := range map[int64]string{0: "0 rows", 1: "1 row", -1: "-1 rows", 2: "2 rows", 1_000_000: "1000000 rows"} {
		if got := Count(n, "row"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
