package pgq_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/schema"
	"github.com/skytools-go/skytools/ticker"
)

// shop is where the examples play: a database with PgQ, a queue "orders" and
// two tables, whose ticker and maintenance run until the shop is closed.
type shop struct {
	testing.TB // an example has none: what is called of it stands below
	dsn        string
	closing    []func()
}

func openShop() *shop {
	s := &shop{}
	s.dsn = pgtest.Database(s, pgtest.Server(s), furnish)
	cfg := must(pgx.ParseConfig(s.dsn))
	ctx, stop := context.WithCancel(context.Background())
	var work sync.WaitGroup
	work.Go(func() { _ = (&ticker.Ticker{Database: cfg}).Run(ctx) })
	s.Cleanup(work.Wait)
	s.Cleanup(stop)
	return s
}

func furnish(ctx context.Context, conn *pgx.Conn) error {
	if _, err := schema.Install(ctx, conn, schema.Options{}); err != nil {
		return err
	}
	if _, err := pgq.CreateQueue(ctx, conn, "orders"); err != nil {
		return err
	}
	_, err := conn.Exec(ctx, `create table purchase (id int, item text); create table invoice (id serial, purchase int)`)
	return err
}

func (s *shop) close() {
	for i := len(s.closing) - 1; i >= 0; i-- {
		s.closing[i]()
	}
}

func (s *shop) Cleanup(f func())                  { s.closing = append(s.closing, f) }
func (s *shop) Helper()                           {}
func (s *shop) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (s *shop) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// must is how the examples are short; a program looks at its errors.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
