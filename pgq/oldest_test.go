package pgq

import (
	"strings"
	"testing"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/internal/pgtest"
)

// A role sees its own transactions by their process, another's by the ticks
// that they are open in.
func TestOldestTransaction(t *testing.T) {
	dsn := database(t)
	conn := pgtest.Connect(t, dsn)
	for who, writer := range map[string]string{"process ": dsn, "": pgtest.Server(t).DSN(pgtest.DBName(t, dsn), pgserver.Superuser)} {
		other := pgtest.Connect(t, writer)
		pgtest.Exec(t, other, "begin")
		pgtest.Exec(t, other, "select txid_current()")
		makeTick(t, conn) // its own end moves the next one's snapshot past the transaction
		makeTick(t, conn)
		got, err := OldestTransaction(t.Context(), conn)
		if err != nil || got == nil || got.Age <= 0 {
			t.Fatalf("%q: %+v, %v", who, got, err)
		}
		if !strings.HasPrefix(got.Who, who) || got.Long() {
			t.Errorf("%q: %s", who, got)
		}
		pgtest.Exec(t, other, "rollback")
	}
}
