package londiste_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
)

// scribbler writes to the provider's book what makes copies fail: rows come and
// go, keys and unique values move and change places, the table is emptied.
type scribbler struct {
	*rand.Rand
	fresh int
}

func (s *scribbler) statement() string {
	a, b := 1+s.IntN(s.fresh), 1+s.IntN(s.fresh)
	if s.IntN(300) == 0 {
		return fmt.Sprintf(`truncate book; insert into book select i, i, i %% 4, 'anew' from generate_series(1, %d) i`, s.fresh/2+10)
	}
	switch n := s.IntN(98); {
	case n < 25:
		return fmt.Sprintf(`update book set title = 't%d', shelf = %d where id %% 97 = %d`, n, n%4, a%97)
	case n < 40:
		return fmt.Sprintf(`delete from book where id in (%d, %d)`, a, b)
	case n < 60:
		s.fresh++
		return fmt.Sprintf(`insert into book values (%d, %d, %d, 'new') on conflict do nothing`, s.fresh, s.fresh, n%4)
	case n < 70:
		return fmt.Sprintf(`with gone as (delete from book where id = %d returning *) select from gone;
			insert into book values (%[1]d, %[2]d, 1, 'again') on conflict do nothing`, a, b)
	case n < 78:
		s.fresh++
		return fmt.Sprintf(`update book set id = %d where id = %d`, s.fresh, a)
	case n < 88:
		return fmt.Sprintf(`begin; update book set id = -1 where id = %[1]d; update book set id = %[1]d where id = %[2]d;
			update book set id = %[2]d where id = -1; commit`, a, b)
	default:
		return fmt.Sprintf(`begin; update book set isbn = null where id in (%[1]d, %[2]d);
			update book x set isbn = o.isbn from (values (%[1]d, %[2]d), (%[2]d, %[1]d)) o (id, isbn)
			where x.id = o.id and not exists (select from book y where y.isbn = o.isbn); commit`, a, b)
	}
}

// TestResyncOfSomeRowsAmidWrites: rows for which the condition is true at one
// side or both are spoilt at the subscriber, a change may be refused for it and the
// table parked; a resync of them makes both sides equal, whatever is written.
func TestResyncOfSomeRowsAmidWrites(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table book (id int primary key, isbn int unique, shelf int, title text); create table memo (id int primary key)`)
	f.exec(f.provConn, `insert into book select i, i, i % 4, 'old' from generate_series(1, 300) i`)
	f.add("book", "memo")
	w := start(t, f.quickly().Run)
	f.allOK()
	rounds, parked := 6, 0
	if pgtest.Long() {
		rounds = 200
	}
	for seed := range rounds {
		spoil := rand.New(rand.NewPCG(uint64(seed), 2))
		load := start(t, func(ctx context.Context) error {
			conn, err := pgx.Connect(context.Background(), f.provDSN)
			if err != nil {
				return err
			}
			defer conn.Close(context.Background())
			s := scribbler{rand.New(rand.NewPCG(uint64(seed), 1)), 300 + 300*seed}
			for ctx.Err() == nil {
				if _, err := conn.Exec(context.Background(), s.statement()); err != nil {
					return err
				}
				time.Sleep(8 * time.Millisecond) // else one batch holds all of them, and none falls between the steps of the resync
			}
			return nil
		})
		f.spoil(spoil, seed)
		time.Sleep(time.Duration(spoil.IntN(400)) * time.Millisecond) // the seed decides how many changes meet the spoilt rows
		f.resyncSome(seed)
		time.Sleep(time.Duration(spoil.IntN(300)) * time.Millisecond) // and how many come while the resync is under way
		f.ok(load.stop())
		if f.bookBack() {
			parked++
		}
		f.equal("public.book")
	}
	f.noCopyLeft()
	f.nothingAsked()
	f.ok(w.stop())
	idle := strings.Count(f.log.String(), "deleted=0 inserted=0")
	t.Logf("of %d rounds the table was parked in %d, nothing was wrong any more in %d", rounds, parked, idle)
	if idle > rounds/2 {
		t.Error("this shows little")
	}
}

// spoil changes rows of shelf 1, or makes others seem to be there.
func (f *flow) spoil(r *rand.Rand, seed int) {
	f.t.Helper()
	a := r.IntN(5)
	sql := []string{
		fmt.Sprintf(`update book set title = 'spoilt' where shelf = 1 and id %% 5 = %d`, a),
		fmt.Sprintf(`delete from book where shelf = 1 and id %% 5 = %d`, a),
		fmt.Sprintf(`update book set shelf = 2 where shelf = 1 and id %% 5 = %d`, a),
		fmt.Sprintf(`update book set shelf = 1 where shelf = 3 and id %% 5 = %d`, a),
		fmt.Sprintf(`insert into book select -i, %d + i, 1, 'extra' from generate_series(1, 30) i on conflict do nothing`, 300+300*seed),
		fmt.Sprintf(`update book set isbn = -isbn, shelf = 1 where id %% 5 = %d`, a),
	}[r.IntN(6)]
	if seed%3 == 2 { // which makes it likely that a change is refused
		sql = fmt.Sprintf(`insert into book select -i, %d + i, 1, 'extra' from generate_series(1, 30) i on conflict do nothing`, 300+300*seed)
	}
	f.exec(f.subConn, sql)
}

const someRows = "shelf = 1"

// resyncSome asks for the part, by the condition or by a comparison.
func (f *flow) resyncSome(seed int) {
	f.t.Helper()
	if seed%4 == 3 {
		err := f.sub.ResyncDifferent(f.t.Context(), named("book"), londiste.CompareOptions{})
		if err == nil || !strings.Contains(err.Error(), "its state is parked") && !strings.Contains(err.Error(), "emptied since") {
			f.ok(err)
			return
		}
	}
	f.ok(f.sub.ResyncWhere(f.t.Context(), named("book"), someRows))
}

// bookBack waits for the table to be ok, and asks once more if a row that was
// spoilt is in the way: it was, or became, none of the part's.
func (f *flow) bookBack() (parked bool) {
	f.t.Helper()
	for deadline := time.Now().Add(60 * time.Second); time.Now().Before(deadline); {
		list, err := f.sub.Tables(f.t.Context())
		f.ok(err)
		switch list[0].Shown() {
		case "ok":
			return parked
		case "parked":
			parked = true
			f.ok(f.sub.ResyncWhere(f.t.Context(), named("book"), someRows))
		}
		time.Sleep(50 * time.Millisecond) // the worker is at it; each look is a connection
	}
	f.t.Fatal("the table does not come back")
	return parked
}
