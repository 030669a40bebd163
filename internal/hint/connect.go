package hint

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Connect puts pgx's error of a connection that could not be made into one
// line without password, with advice. what names the database's part in this,
// key what holds the connection string: "provider database", "provider_db".
func Connect(err error, cfg *pgconn.Config, what, key string) error {
	at := fmt.Sprintf("%s %s at %s:%d", what, cfg.Database, cfg.Host, cfg.Port)
	pg, refused := errors.AsType[*pgconn.PgError](err)
	if !refused {
		reason := strings.Join(strings.Fields(cause(err).Error()), " ")
		return With(&unreachable{"cannot reach " + at + ": " + reason, err}, "is the server running there? check host and port in %s", key)
	}
	err = fmt.Errorf("cannot connect to %s as user %s: %w", at, cfg.User, pg)
	switch pg.Code {
	case "28P01", "28000":
		return With(err, "check user and password in %s, or in ~/.pgpass", key)
	case "3D000":
		return With(err, "check dbname in %s", key)
	case "42501":
		return With(err, "its owner can allow it: grant connect on database %s to %s", cfg.Database, cfg.User)
	}
	return err
}

// Refused tells a connection that the server refused for a reason that waiting
// does not mend: password, database, right.
func Refused(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (strings.HasPrefix(pg.Code, "28") || pg.Code == "3D000" || pg.Code == "42501")
}

// cause is the innermost error: pgx tells each attempt in full.
func cause(err error) error {
	for {
		switch e := err.(type) {
		case interface{ Unwrap() []error }:
			all := e.Unwrap()
			if len(all) == 0 {
				return err
			}
			err = all[0]
		case interface{ Unwrap() error }:
			inner := e.Unwrap()
			if inner == nil {
				return err
			}
			err = inner
		default:
			return err
		}
	}
}

// unreachable keeps pgx's error for errors.Is and prints it on one line.
type unreachable struct {
	text string
	err  error
}

func (u *unreachable) Error() string { return u.text }
func (u *unreachable) Unwrap() error { return u.err }
