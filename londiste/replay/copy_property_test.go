package replay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/semaphore"

	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/internal/transfer"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/schema"
)

// chunkRig is a copier without its loops: a test says when which chunk is
// read, what is written in between, and when the copier dies.
type chunkRig struct {
	*testing.T
	*copier
	rand  *rand.Rand
	write *pgx.Conn // the provider's writer
	fresh int       // keys never used
}

const rigTable = `create table book (id int primary key, isbn int unique, title text not null);
	create index book_title on book (title);
	create index book_isbn on book (isbn, title);
	create unique index book_both on book (id, isbn);
	comment on index book_both is 'both'`

func newChunkRig(t *testing.T) *chunkRig {
	t.Helper()
	pgtest.RequireVersion(t, pgtest.Server(t), 14, "range scans by ctid")
	install := func(ctx context.Context, conn *pgx.Conn) error {
		_, err := schema.Install(ctx, conn, schema.Options{})
		return err
	}
	prov := pgtest.Connect(t, pgtest.Database(t, pgtest.Server(t), install))
	sub := pgtest.Connect(t, pgtest.Database(t, pgtest.Second(t), install))
	p := set.Pair{
		Job: "job", Queue: "q", Provider: prov.Config(), Subscriber: sub.Config(),
		Log: slog.New(slog.DiscardHandler),
	}
	name := ident.Name{Schema: "public", Name: "book"}
	w := &Worker{Pair: p, ChunkBytes: 8192, CopyWorkers: 1}
	r := &chunkRig{T: t, write: prov, copier: &copier{
		Pair: &p, fence: set.Fence{Queue: p.Queue, Consumer: p.ConsumerName(), Epoch: 1}, name: name,
		consumer: p.CopyConsumer(name), hold: &copying{wake: make(chan struct{}, 1)}, bell: newBell(),
		at: &atomic.Int64{}, merge: 1000, budget: 1 << 20, fkeys: semaphore.NewWeighted(1), chunks: w.chunking(),
		changed: func() {},
	}}
	r.chunks.builders = 3
	for _, conn := range []*pgx.Conn{prov, sub} {
		r.exec(conn, rigTable)
	}
	r.ok((&londiste.Provider{Pair: p}).Install(t.Context(), install))
	r.ok((&londiste.Subscriber{Pair: p}).Install(t.Context(), install))
	one := londiste.Selection{Names: []string{"book"}}
	r.ok((&londiste.Provider{Pair: p}).AddTables(t.Context(), one, londiste.Capture{}))
	r.ok((&londiste.Subscriber{Pair: p}).AddTables(t.Context(), one, londiste.AddOptions{}))
	r.exec(sub, `insert into skytools.lease values ('q', 'job', 1, 'test')`)
	r.ok(r.copier.open(t.Context()))
	t.Cleanup(r.copier.close)
	var err error
	r.me, err = set.Identify(t.Context(), r.sub)
	r.ok(err)
	return r
}

func (r *chunkRig) ok(err error) {
	r.Helper()
	if err != nil {
		r.Fatal(err)
	}
}

func (r *chunkRig) exec(conn *pgx.Conn, sql string) {
	r.Helper()
	if _, err := conn.Exec(r.Context(), sql); err != nil {
		r.Fatalf("%s: %v", sql, err)
	}
}

func (r *chunkRig) table() *set.Table {
	r.Helper()
	t, found, err := set.OneTable(r.Context(), r.sub, r.Queue, r.name)
	if err != nil || !found {
		r.Fatal("the table is gone: ", err)
	}
	return &t
}

// key is one that is there, most of the time.
func (r *chunkRig) key() int { return 1 + r.rand.IntN(r.fresh) }

// op writes something at the provider.
func (r *chunkRig) op() {
	r.Helper()
	a, b := r.key(), r.key()
	switch n := r.rand.IntN(100); {
	case n < 25: // rows move to other pages
		r.exec(r.write, fmt.Sprintf(`update book set title = repeat('%c', %d) where id %% 17 = %d`, 'a'+n, 1+r.rand.IntN(300), a%17))
	case n < 40:
		r.exec(r.write, fmt.Sprintf(`delete from book where id in (%d, %d)`, a, b))
	case n < 55:
		r.fresh++
		r.exec(r.write, fmt.Sprintf(`insert into book values (%d, %d, 'new')`, r.fresh, r.fresh+1_000_000))
	case n < 65: // a key that was deleted comes again, with another's unique value
		r.exec(r.write, fmt.Sprintf(`delete from book where id = %d; insert into book values (%[1]d, -%d, 'again') on conflict do nothing`, a, a))
	case n < 75: // a key moves
		r.fresh++
		r.exec(r.write, fmt.Sprintf(`update book set id = %d where id = %d`, r.fresh, a))
	case n < 83: // two keys change places
		r.exec(r.write, fmt.Sprintf(`begin; update book set id = -1 where id = %[1]d; update book set id = %[1]d where id = %[2]d;
			update book set id = %[2]d where id = -1; commit`, a, b))
	case n < 91: // two unique values change places
		r.exec(r.write, fmt.Sprintf(`with old as (update book set isbn = null where id in (%[1]d, %[2]d) returning id) select from old;
			update book x set isbn = o.id from (values (%[1]d, %[2]d), (%[2]d, %[1]d)) o (k, id)
			where x.id = o.k and not exists (select from book y where y.isbn = o.id)`, a, b))
	case n < 94:
		r.exec(r.write, `vacuum book`) // rows that come now lie where others lay
	case n < 98:
		r.exec(r.write, `cluster book using book_title`) // rows change places without an event
	default:
		r.exec(r.write, `truncate book`)
		r.fill()
	}
	if r.rand.IntN(4) == 0 {
		r.exec(r.write, `select pgq.ticker('q')`)
	}
}

func (r *chunkRig) fill() {
	r.Helper()
	r.fresh = max(r.fresh, 300)
	r.exec(r.write, `insert into book select i, i, md5(i::text) || repeat('x', i) from generate_series(1, 300) i on conflict do nothing`)
}

// attempt copies chunks in any order with writes in between, to the end or to
// where it dies.
func (r *chunkRig) attempt() (finished bool) {
	r.Helper()
	ctx := r.Context()
	src, err := r.source(ctx)
	r.ok(err)
	a := &attempt{copier: r.copier, table: r.table(), src: src}
	a.plan, err = transfer.NewPlan(ctx, r.prov, src.name, r.sub, a.table.Dest)
	r.ok(err)
	a.file, err = transfer.File(ctx, r.prov, src.name)
	r.ok(err)
	if r.rand.IntN(3) == 0 {
		r.op() // between the look at the file and the snapshot
	}
	a.snap, err = transfer.TakeSnapshot(ctx, r.prov)
	r.ok(err)
	defer a.snap.Close(ctx)
	r.op()
	r.ok(a.begin(ctx))
	if a.merge {
		r.ok(a.needKey(ctx))
	}
	prov, sub := pgtest.Connect(r.T, r.Provider.ConnString()), pgtest.Connect(r.T, r.Subscriber.ConnString())
	defer set.CloseConn(&prov)
	defer set.CloseConn(&sub)
	missing := a.missing()
	r.rand.Shuffle(len(missing), func(i, j int) { missing[i], missing[j] = missing[j], missing[i] })
	for _, c := range missing {
		if r.rand.IntN(12) == 0 {
			return false
		}
		if r.rand.IntN(2) == 0 {
			r.op()
		}
		err := a.chunk(ctx, prov, sub, c)
		if errors.Is(err, errRewritten) {
			return false
		}
		r.ok(err)
	}
	a.snap.Close(ctx)
	r.op()
	r.ok(a.finish(ctx))
	return true
}

// catchUpAll brings the table to ok, at the last tick.
func (r *chunkRig) catchUpAll() {
	r.Helper()
	for i := 0; ; i++ {
		t := r.table()
		switch t.State.Phase {
		case set.CatchingUp:
			if i < 5 {
				r.op()
			}
			r.exec(r.write, `select pgq.force_tick('q'); select pgq.ticker('q')`)
			r.at.Store(1 << 40) // the worker is ahead: all there is is to be applied
			if i > 5 {
				r.at.Store(0)
			}
			_, err := r.catchUp(r.Context(), t)
			r.ok(err)
		case set.WannaSync:
			to := set.State{Phase: set.DoSync, Tick: t.State.Tick}
			r.ok(r.fence.MoveTables(r.Context(), r.sub, func(tx pgx.Tx) error {
				return set.MoveTable(r.Context(), tx, r.Queue, r.name, set.Main, t.State, to)
			}))
		case set.DoSync:
			r.ok(r.reach(r.Context(), t))
		case set.OK:
			return
		}
		if i > 200 {
			r.Fatalf("the table stays in %s", t.State)
		}
	}
}

// TestChunksOfAnyMoment: whatever is written between the chunks of whatever
// attempts, after the events from T0 the table is what the provider's is, and
// so what a copy in one piece would have made of it.
func TestChunksOfAnyMoment(t *testing.T) {
	seeds := 25
	if pgtest.Long() {
		seeds = 1000
	}
	r := newChunkRig(t)
	attempts, most := 0, 0
	for seed := range seeds {
		r.rand = rand.New(rand.NewPCG(uint64(seed), 1))
		r.exec(r.write, `truncate book`)
		r.fresh = 0
		r.fill()
		// Else the rows' own events would mend whatever the copy has lost.
		r.exec(r.write, `select pgq.force_tick('q'); select pgq.ticker('q')`)
		r.exec(r.sub, `update londiste.table_info set merge_state = null`)
		for r.table().State.Phase == set.None {
			_, err := r.prepare(t.Context(), r.table())
			r.ok(err)
		}
		n := 1
		for !r.attempt() {
			n++
		}
		attempts, most = attempts+n, max(most, n)
		r.catchUpAll()
		r.compare(seed)
		r.ok(unregister(t.Context(), r.prov, r.Queue, r.consumer))
	}
	t.Logf("%d copies in %d attempts, one of them in %d", seeds, attempts, most)
	if attempts < seeds*3/2 {
		t.Error("hardly any copy was interrupted: this shows little")
	}
}

func (r *chunkRig) compare(seed int) {
	r.Helper()
	const sum = `select count(*) || ' ' || md5(string_agg(b::text, ';' order by id)) || ' ' ||
		(select count(*) from pg_index where indrelid = 'public.book'::regclass) from public.book b`
	var there, here string
	r.ok(r.write.QueryRow(r.Context(), sum).Scan(&there))
	r.ok(r.sub.QueryRow(r.Context(), sum).Scan(&here))
	if there != here {
		r.Fatalf("seed %d: rows, sum and indexes are %s at the provider, %s at the subscriber", seed, there, here)
	}
}
