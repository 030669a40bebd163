package router_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/router"
	"github.com/skytools-go/skytools/test/replicas"
)

// A request writes, and keeps a token; the next one reads what was written, from a
// replica if one has it by then.
func Example() {
	shop := openShop() // a provider, and one replica with job_name = replica_a
	defer shop.close()
	ctx, stop := context.WithCancel(context.Background())
	r := must(router.New(router.Config{
		Root:     must(pgxpool.New(ctx, shop.root)),
		Replicas: []router.Replica{{Name: "a", Pool: must(pgxpool.New(ctx, shop.replica)), Consumer: "replica_a"}},
		Queue:    "londiste.write",
		MaxLag:   time.Second,
		Wait:     500 * time.Millisecond,
	}))
	var looking sync.WaitGroup
	looking.Go(func() { _ = r.Run(ctx) })

	var token router.Token
	err := pgx.BeginFunc(ctx, r.Write(), func(tx pgx.Tx) (err error) {
		if _, err = tx.Exec(ctx, `insert into entry values (1, 'umbrella')`); err == nil {
			token, err = router.TokenOf(ctx, tx)
		}
		return err
	})
	cookie := token.String()

	// The next request.
	mine := must(router.ParseToken(cookie))
	pool := must(r.Read(ctx, router.After(mine)))
	var item string
	err2 := pool.QueryRow(ctx, `select item from entry where id = 1`).Scan(&item)
	fmt.Println(item, err, err2)

	stop()
	looking.Wait()
	r.Root.Close()
	r.Replicas[0].Pool.Close()
	// Output: umbrella <nil> <nil>
}

// What a read wants is said where it is made.
func ExampleRouter_Read() {
	shop := openShop()
	defer shop.close()
	ctx := context.Background()
	r := must(router.New(router.Config{
		Root:     must(pgxpool.New(ctx, shop.root)),
		Replicas: []router.Replica{{Name: "a", Pool: must(pgxpool.New(ctx, shop.replica)), Consumer: "replica_a"}},
		Queue:    "londiste.write",
	}))
	defer r.Root.Close()
	defer r.Replicas[0].Pool.Close()

	// Nobody runs it, so nothing is known of the replica yet.
	pool := must(r.Read(ctx, router.Within(5*time.Second)))
	fmt.Println(pool == r.Write())
	_, err := r.Read(ctx, router.ReplicaOnly())
	fmt.Println(err)
	fmt.Println(r.Status().Replicas[0].Why)
	// Output:
	// true
	// no replica is fresh enough
	// it has not answered yet
}

// shop is where the examples play.
type shop struct {
	testing.TB    // an example has none: what is called of it stands below
	root, replica string
	closing       []func()
}

func openShop() *shop {
	s := &shop{}
	w := replicas.New(s, pgtest.Server(s), pgtest.Second(s))
	s.root, s.replica = w.RootDSN, w.Replicas[0].DSN
	return s
}

func (s *shop) close() {
	for i := len(s.closing) - 1; i >= 0; i-- {
		s.closing[i]()
	}
}

func (s *shop) Context() context.Context          { return context.Background() }
func (s *shop) Failed() bool                      { return false }
func (s *shop) Cleanup(f func())                  { s.closing = append(s.closing, f) }
func (s *shop) Helper()                           {}
func (s *shop) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (s *shop) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (s *shop) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }

// must is how the examples are short; a program looks at its errors.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
