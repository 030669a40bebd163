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
	"strings"

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
	pg, ok := errors.AsType[*pgconn.PgError](err)
	switch {
	case !ok:
		return ""
	case older(pg):
		return "its schemas are older than this program: run \"pgqadm INI install\" or \"londiste INI provider install\""
	case pooled(pg):
		return "a pooler in transaction mode seems to stand between: connect to the server itself, or to a pooler in session mode"
	}
	return pg.Hint
}

// pooled tells that a statement prepared in one session was run in another.
func pooled(err *pgconn.PgError) bool {
	switch err.Code {
	case "26000", "42P05":
		return strings.Contains(err.Message, "prepared statement")
	}
	return false
}

// older tells a database that lacks a function, table or column of schema
// skytools, which no other program makes. The server would advise type casts.
func older(err *pgconn.PgError) bool {
	switch err.Code {
	case "42883", "42P01", "42703":
		return strings.Contains(err.Message, "skytools.")
	}
	return false
}
