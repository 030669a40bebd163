package hint

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestOf(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{errors.New("plain"), ""},
		{With(errors.New("ours"), "do %s", "this"), "do this"},
		{fmt.Errorf("outer: %w", &pgconn.PgError{Code: "42704", Message: "No such queue", Hint: "make it"}), "make it"},
		{With(&pgconn.PgError{Hint: "the server's"}, "outermost"), "outermost"},
		{&pgconn.PgError{Code: "26000", Message: `prepared statement "stmtcache_1" does not exist`}, "a pooler in transaction mode"},
		{&pgconn.PgError{Code: "42883", Message: "function skytools.new_one() does not exist", Hint: "type casts"}, "older than this program"},
		{&pgconn.PgError{Code: "42883", Message: "function public.theirs() does not exist", Hint: "type casts"}, "type casts"},
	} {
		if got := Of(c.err); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}
