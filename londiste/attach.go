package londiste

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

// A subscriber whose rows came another way than by a copy begins at a tick N
// that they have seen whole: then the events after N, replayed by key, lead to
// the right state though the rows have some of them already (the T0 rule).
//
// What must be true of N, and of what does it follow?
//
//	dump of the tables       N was the provider's last tick before the dump began.
//	                         A transaction that N's snapshot sees had ended before
//	                         N was committed, N before the dump's snapshot. That is
//	                         for the administrator to know.
//	dump of the database     the restored pgq.tick has N: the dump's snapshot sees
//	                         N's transaction, so all that had ended before it.
//	base backup, snapshot    the recovered pgq.tick has N: its commit was replayed.
//	of the disk, template    A transaction that N's snapshot sees had written its
//	                         commit to the log before that snapshot was taken, so
//	                         before N's: it was replayed, too.
//
// So where the database holds the provider's own pgq.tick its last tick is right,
// and so is any before it; an LSN says nothing more, but that recovery has come
// as far as was meant.
//
// Rows may be ahead of N by what was committed until now at most. Until a tick
// that sees all that, nothing is said of rows that are not as events expect. A
// table without a key takes no event twice: it needs the rows of N exactly, as
// pg_dump --snapshot gives them with the snapshot of an exact tick.

// AttachOptions say where a subscriber's rows come from.
type AttachOptions struct {
	Tick  pgq.TickID // they have all that this tick sees; 0: the last one that the database itself has
	LSN   string     // recovery has come as far as this; "" where it is no matter
	Exact bool       // they have nothing more
	Force bool       // differences of structure are warnings
}

// attaching is one attach under way.
type attaching struct {
	*Subscriber
	prov, sub *session
	opt       AttachOptions
	copied    bool // the subscriber's database is a copy of the provider's
	tables    []ident.Name
	tick      pgq.Tick
	snapshot  string        // what the rows may have seen
	witness   set.Witnesses // from before the tables were looked at
	me, other set.Identity
}

// Attach makes a database that has the provider's rows already a subscriber,
// which goes on from a tick without a copy. One that is a copy of the provider's
// whole database ceases to be a provider: its triggers, its queue and its node go.
func (b *Subscriber) Attach(ctx context.Context, sel Selection, opt AttachOptions) error {
	a := &attaching{Subscriber: b, opt: opt}
	var err error
	if a.sub, err = openSession(ctx, &b.Pair, "subscriber", b.Fake); err != nil {
		return err
	}
	defer a.sub.close()
	if a.prov, err = openProvider(ctx, &b.Pair, b.Fake); err != nil {
		return err
	}
	defer a.prov.close()
	for _, check := range []func(context.Context) error{a.apart, a.recognize, a.findTick, a.witnesses} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	if err := a.pick(ctx, sel); err != nil {
		return err
	}
	// What is not yet in this snapshot is in no copy that was made before.
	if a.snapshot, err = set.One[string](ctx, a.prov.conn, "select txid_current_snapshot()::text"); err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	// Until the subscriber says where it is, a consumer too many is all that a
	// crash leaves; the same command goes on from there.
	if err := a.register(ctx); err != nil {
		return err
	}
	if err := a.sub.change(ctx, func(tx pgx.Tx) error { return a.settle(ctx, tx) }); err != nil {
		return err
	}
	a.sub.log.Info(fmt.Sprintf("Attached at tick %d", a.tick.ID))
	if b.Fake {
		return nil
	}
	return b.AddSeqs(ctx, Selection{All: true})
}

// apart makes sure that two databases are meant: a copy has its original's
// name and identity.
func (a *attaching) apart(ctx context.Context) error {
	key := rand.Int64()
	if _, err := a.prov.conn.Exec(ctx, "select pg_advisory_lock($1)", key); err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	free, err := set.One[bool](ctx, a.sub.conn, "select pg_try_advisory_lock($1)", key)
	if err != nil {
		return fmt.Errorf("subscriber: %w", err)
	}
	if !free {
		return hint.With(errors.New("provider_db and subscriber_db are the same database"), "check both in the ini file")
	}
	return nil
}

// recognize tells a copy of the provider from a subscriber that was installed
// and has done nothing yet. Nothing else is attached.
func (a *attaching) recognize(ctx context.Context) error {
	s := a.sub
	there, err := set.One[bool](ctx, s.conn, "select to_regclass('pgq.queue') is not null and to_regclass('skytools.witness') is not null")
	if err != nil {
		return err
	}
	if !there {
		return hint.With(errors.New("nothing of this version is installed at the subscriber"), "run: londiste INI subscriber install")
	}
	recovering, err := set.One[bool](ctx, s.conn, "select pg_is_in_recovery()")
	if err != nil {
		return err
	}
	if recovering {
		return hint.With(errors.New("the subscriber is still in recovery"), "end it first: select pg_promote()")
	}
	if a.me, err = set.Identify(ctx, s.conn); err != nil {
		return fmt.Errorf("subscriber: %w", err)
	}
	if a.other, err = set.Identify(ctx, a.prov.conn); err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	kind, err := s.nodeType(ctx)
	if err != nil {
		return err
	}
	if a.copied = kind == "root"; a.copied {
		return a.clean(ctx)
	}
	if err := s.needLeaf(ctx, a.Job); err != nil {
		return err
	}
	if err := (set.Fence{Queue: a.Queue, Consumer: a.ConsumerName()}).Alone(ctx, s.conn); err != nil {
		return err
	}
	known, err := s.registered(ctx)
	if err != nil {
		return err
	}
	position, err := s.position(ctx, a.ConsumerName())
	if err != nil {
		return err
	}
	if len(known) > 0 || position != nil {
		return hint.With(fmt.Errorf("subscriber %s has a position or tables already", a.Job),
			"subscriber add --expect-sync adds tables to it; subscriber remove --all and subscriber unregister make it forget")
	}
	return nil
}

// witnesses has the worker notice a server that empties its unlogged tables from
// now on, even before it has looked for the first time.
func (a *attaching) witnesses(ctx context.Context) error {
	if a.Fake {
		return nil
	}
	var err error
	a.witness, err = set.ReadWitnesses(ctx, a.prov.conn, a.sub.conn)
	return err
}

// findTick finds the tick to go on from, and whether it can be right.
func (a *attaching) findTick(ctx context.Context) error {
	reader := pgq.NewReader(a.prov.conn, a.Queue)
	if !a.copied {
		if a.opt.Tick == 0 {
			return hint.With(errors.New("nothing in the subscriber's database tells which tick it has seen"),
				"only a copy of the provider's whole database does; for another give the provider's last tick from before the dump: --from-tick N")
		}
		return a.take(ctx, reader, a.opt.Tick)
	}
	if err := a.reached(ctx); err != nil {
		return err
	}
	last, err := a.lastShared(ctx, reader)
	if err != nil {
		return err
	}
	if err := a.unwritten(ctx, last); err != nil {
		return err
	}
	switch {
	case a.opt.Tick > last.ID:
		return hint.With(fmt.Errorf("the subscriber's database has not seen tick %d, its last is %d", a.opt.Tick, last.ID),
			"--from-tick %d, or an earlier one", last.ID)
	case a.opt.Tick == 0:
		a.tick = last
		return nil
	}
	return a.take(ctx, reader, a.opt.Tick)
}

func (a *attaching) take(ctx context.Context, reader *pgq.Reader, id pgq.TickID) (err error) {
	if a.tick, err = reader.Tick(ctx, id); errors.Is(err, pgq.ErrTickNotFound) {
		return hint.With(err, "the provider has dropped it, and the events after it; make a newer copy")
	}
	return err
}

// pick resolves the tables, all of the provider's if none is named, and
// refuses those that cannot go on from the tick.
func (a *attaching) pick(ctx context.Context, sel Selection) error {
	attached, err := a.prov.registered(ctx)
	if err != nil {
		return err
	}
	if len(sel.Names) == 0 {
		sel.All = true
	}
	if a.tables, err = pickRegistered(sel, attached, "Table", "provider"); err != nil {
		return err
	}
	keys, err := a.prov.captureKeys(ctx)
	if err != nil {
		return err
	}
	for _, n := range a.tables {
		if len(keys[n]) == 0 && !a.opt.Exact {
			return hint.With(fmt.Errorf("table %s has no key: what its rows have seen after tick %d would come twice", n, a.tick.ID),
				"name the other tables, then have this one copied: subscriber add %s; or --exact, if the rows are those of the tick's own snapshot",
				hint.Shell(n.String()))
		}
	}
	for _, check := range []func(context.Context) error{a.captured, a.survived} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return checkTables(ctx, a.prov, a.sub, a.tables, a.opt.Force)
}

// captured refuses tables whose capture began when the rows had been taken:
// what was written between them is neither here nor in the queue. A capture
// that the copy has itself had begun before; its writers were waited for then.
func (a *attaching) captured(ctx context.Context) error {
	known := []int32{}
	var err error
	if a.copied {
		known, err = set.One[[]int32](ctx, a.sub.conn, "select coalesce(array_agg(capture_id), '{}') from skytools.capture where queue_name = $1", a.Queue)
		if err != nil {
			return fmt.Errorf("subscriber: %w", err)
		}
	}
	schemas, rels := split(a.tables)
	late, err := set.TextColumn(ctx, a.prov.conn, lateSQL, a.Queue, schemas, rels, known, a.copied, a.tick.Snapshot.String(), a.tick.Time)
	if err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	if len(late) == 0 {
		return nil
	}
	return hint.With(fmt.Errorf("table %s was added at the provider after tick %d: what was written before that is not in the queue", late[0], a.tick.ID),
		"name the other tables, then have this one copied: subscriber add %s", hint.Shell(late[0]))
}

// lateSQL lists the captures that a snapshot did not see. The row's xmin lacks
// the epoch: it is the last such number that has been given out, and where the
// row is older than its numbers last, the day tells.
const lateSQL = `
	with c as (
		select c.*, (x.xmax / 4294967296 - (xmin::text::bigint >= x.xmax % 4294967296)::int) * 4294967296 + xmin::text::bigint as made
		from skytools.capture c, (select txid_snapshot_xmax(txid_current_snapshot()) as xmax) x
		where queue_name = $1
	)
	select w.s || '.' || w.r from unnest($2::text[], $3::text[]) with ordinality as w (s, r, nr)
	left join c on c.table_schema = w.s and c.table_name = w.r
	where c.capture_id is null or case when $5 then c.capture_id <> all($4::int[])
		else not txid_visible_in_snapshot(c.made, $6::text::txid_snapshot) and c.installed_at > $7::timestamptz - interval '1 day' end
	order by w.nr`

// register has the provider keep the events from the tick on.
func (a *attaching) register(ctx context.Context) error {
	return a.prov.change(ctx, func(tx pgx.Tx) error {
		consumer := a.ConsumerName()
		if err := a.nobodyElse(ctx, tx); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "select skytools.claim($1, $2, $3, $4, $5, $6, 0)",
			a.Queue, consumer, a.me.System, a.me.OID, a.me.Database, a.Job)
		if set.SQLState(err) == "SK010" {
			return hint.With(err, "another subscriber has that name: give this one a job_name of its own")
		}
		if err == nil {
			_, err = tx.Exec(ctx, "select pgq.register_consumer_at($1, $2, $3)", a.Queue, consumer, int64(a.tick.ID))
		}
		if err != nil {
			return fmt.Errorf("register consumer %s at tick %d: %w", consumer, a.tick.ID, err)
		}
		a.prov.log.Info(fmt.Sprintf("Registering consumer %s at tick %d", consumer, a.tick.ID))
		return nil
	})
}

// settle makes the subscriber, in one transaction: a copy is no provider any
// more, the tables are there and in order, the position is the tick.
func (a *attaching) settle(ctx context.Context, tx pgx.Tx) error {
	if a.copied {
		if err := a.cease(ctx, tx); err != nil {
			return err
		}
		if err := a.sub.locate(ctx, tx, set.RootNode, location(a.Provider)); err != nil {
			return err
		}
		if err := a.sub.makeNode(ctx, tx, "leaf", a.Job, a.ConsumerName()); err != nil {
			return err
		}
	}
	for _, n := range a.tables {
		a.sub.log.Info("Adding " + n.String())
		if err := a.sub.registerTable(ctx, tx, n, AddOptions{ExpectSync: true, attached: true}); err != nil {
			return fmt.Errorf("add table %s: %w", n, err)
		}
	}
	if err := set.StorePosition(ctx, tx, &a.Pair, a.tick, a.other); err != nil {
		return err
	}
	snapshot := &a.snapshot
	if a.opt.Exact {
		snapshot = nil
	}
	_, err := tx.Exec(ctx, `update skytools.worker_state
		set rows_snapshot = coalesce($3, rows_snapshot), provider_witness = nullif($4, ''), subscriber_witness = nullif($5, '')
		where queue_name = $1 and consumer_name = $2`, a.Queue, a.ConsumerName(), snapshot, a.witness.Provider, a.witness.Subscriber)
	return err
}
