// Package hint lets an error carry what the reader can do about it.
//
// An error says what failed and names the object; its hint says what to type
// or change next. Programs print the two on lines of their own:
//
//	londiste: error: table public.log has no primary key
//	hint: add one, or name a unique index on NOT NULL columns with --key INDEX
//
// A server's error brings its own hint along; [Of] finds either.
package hint

import (
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

// With adds a hint to err; nil stays nil.
func With(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hinted{err, fmt.Sprintf(format, args...)}
}

// Of returns the outermost hint of err: one given by [With], else the
// server's, else "".
func Of(err error) string {
	if h, ok := errors.AsType[*hinted](err); ok {
		return h.hint
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Hint
	}
	return ""
}
