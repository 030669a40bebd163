package transfer

import (
	"errors"
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/hint"
)

// The errors are those of a server that was given two texts of 600 MB in a row,
// and one of 1.2 GB.
func TestTooLarge(t *testing.T) {
	for _, c := range []struct {
		err  error
		said bool
	}{
		{&pgconn.PgError{Code: "54000", Message: "out of memory", File: "stringinfo.c", Routine: "enlargeStringInfo"}, true},
		{&pgconn.PgError{Code: "XX000", Message: "invalid memory alloc request size 1200000060", File: "mcxt.c", Routine: "palloc"}, true},
		{&pgconn.PgError{Code: "54000", Message: "stack depth limit exceeded", File: "postgres.c", Routine: "check_stack_depth"}, false},
		{errors.New("out of memory"), false},
	} {
		got := tooLarge(fmt.Errorf("copy: %w", c.err))
		if !errors.Is(got, c.err) || (hint.Of(got) != "") != c.said {
			t.Errorf("%v, hint %q, want one: %v", got, hint.Of(got), c.said)
		}
	}
}
