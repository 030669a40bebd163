package workload

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/sync/errgroup"
)

//go:embed tables.sql
var tablesSQL string

//go:embed triggers.sql
var triggersSQL string

// Tables are the names of the replicated tables, parents first.
var Tables = []string{"account", "entry", "seat", "word", "cell", "counter"}

// Create makes the tables; provider adds the triggers that writers' changes
// set off.
func Create(ctx context.Context, conn *pgx.Conn, provider bool) error {
	sql := tablesSQL
	if provider {
		sql += triggersSQL
	}
	_, err := conn.Exec(ctx, sql)
	return err
}

// HashSQL is an expression: the content of all tables as one text, row by
// row in key order under settings that do not depend on the session. Nothing in
// it follows from the plan, which the applier's own settings can change.
const HashSQL = `(select string_agg(x, ' ' order by x) from (
	select 'account=' || count(*) || ':' || coalesce(md5(string_agg(t::text, chr(10) order by id)), '') from account t union all
	select 'entry=' || count(*) || ':' || coalesce(md5(string_agg(t::text, chr(10) order by id)), '') from entry t union all
	select 'seat=' || count(*) || ':' || coalesce(md5(string_agg(t::text, chr(10) order by id)), '') from seat t union all
	select 'word=' || count(*) || ':' || coalesce(md5(string_agg(t::text, chr(10) order by word collate "C")), '') from word t union all
	select 'cell=' || count(*) || ':' || coalesce(md5(string_agg(t::text, chr(10) order by x, y)), '') from cell t union all
	select 'counter=' || count(*) || ':' || coalesce(md5(string_agg(t::text, chr(10) order by id)), '') from counter t) as all_tables (x))`

// HashFunction is a statement that makes function content_hash(), [HashSQL]
// under pinned settings, in schema public.
const HashFunction = `create function content_hash() returns text language plpgsql stable
	set datestyle = 'ISO' set timezone = 'UTC' set intervalstyle = 'postgres' set extra_float_digits = 1 set search_path = public
	as $$ begin return ` + HashSQL + `; end $$`

// Options of a run. Zero values are replaced by defaults.
type Options struct {
	Seed         uint64
	Writers      int // 4
	Transactions int // to be committed by all writers together; 20,000
	// Pace is the mean pause of a writer between two transactions.
	Pace time.Duration
	// Settings are run by each writer when it has connected: sessions with
	// settings of their own must not reach the subscriber.
	Settings func(writer int) []string
}

// Report counts what a run did.
type Report struct {
	Committed, Collided, RolledBack, Long int
	ByKind                                map[string]int // committed changes of each kind
	ByIsolation                           map[string]int
}

var isolations = []pgx.TxIsoLevel{pgx.ReadCommitted, pgx.ReadCommitted, pgx.RepeatableRead, pgx.Serializable}

// Run has the writers make their transactions and returns when all are done
// or ctx ends.
func Run(ctx context.Context, dsn string, opt Options) (Report, error) {
	if opt.Writers == 0 {
		opt.Writers = 4
	}
	if opt.Transactions == 0 {
		opt.Transactions = 20_000
	}
	report := Report{ByKind: map[string]int{}, ByIsolation: map[string]int{}}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	for i := range opt.Writers {
		w := &writer{opt: opt, rand: rand.New(rand.NewPCG(opt.Seed, uint64(i))), report: &report, mu: &mu}
		g.Go(func() error {
			if err := w.run(ctx, dsn, i); err != nil {
				return fmt.Errorf("writer %d: %w", i, err)
			}
			return nil
		})
	}
	err := g.Wait()
	return report, err
}

type writer struct {
	opt    Options
	rand   *rand.Rand
	report *Report
	mu     *sync.Mutex
}

func (w *writer) run(ctx context.Context, dsn string, nr int) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if w.opt.Settings != nil {
		for _, sql := range w.opt.Settings(nr) {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return err
			}
		}
	}
	for left := w.opt.Transactions / w.opt.Writers; left > 0; {
		committed, err := w.transaction(ctx, conn)
		if err != nil {
			return err
		}
		if committed {
			left--
		}
		if w.opt.Pace > 0 {
			time.Sleep(time.Duration(w.rand.ExpFloat64() * float64(w.opt.Pace)))
		}
	}
	return nil
}

// transaction makes one transaction of one to four changes and tells whether
// it was committed. One in forty stays open for a while, one in ten is rolled
// back.
func (w *writer) transaction(ctx context.Context, conn *pgx.Conn) (committed bool, err error) {
	isolation := isolations[w.rand.IntN(len(isolations))]
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: isolation})
	if err != nil {
		return false, err
	}
	var done []string
	for range 1 + w.rand.IntN(4) {
		k := w.pick()
		if err := k.Do(ctx, tx, w.rand); err != nil {
			return false, w.collided(ctx, tx, fmt.Errorf("%s: %w", k.Name, err))
		}
		done = append(done, k.Name)
	}
	long := w.rand.IntN(40) == 0
	if long {
		time.Sleep(time.Duration(20+w.rand.IntN(120)) * time.Millisecond)
	}
	if w.rand.IntN(10) == 0 {
		w.count(func(r *Report) { r.RolledBack++ })
		return false, tx.Rollback(ctx)
	}
	if err := tx.Commit(ctx); err != nil {
		return false, w.collided(ctx, tx, err)
	}
	w.count(func(r *Report) {
		r.Committed++
		r.ByIsolation[string(isolation)]++
		if long {
			r.Long++
		}
		for _, name := range done {
			r.ByKind[name]++
		}
	})
	return true, nil
}

func (w *writer) pick() Kind {
	total := 0
	for _, k := range Kinds {
		total += k.Weight
	}
	n := w.rand.IntN(total)
	i := slices.IndexFunc(Kinds, func(k Kind) bool { n -= k.Weight; return n < 0 })
	return Kinds[i]
}

func (w *writer) collided(ctx context.Context, tx pgx.Tx, err error) error {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	switch pg.Code {
	case "23505", "23503", "40001", "40P01", "55P03":
	default:
		return err
	}
	w.count(func(r *Report) { r.Collided++ })
	if err := tx.Rollback(ctx); err != nil && !errors.Is(err, pgx.ErrTxClosed) {
		return err
	}
	return nil
}

func (w *writer) count(f func(*Report)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(w.report)
}
