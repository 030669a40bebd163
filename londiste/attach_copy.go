package londiste

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/noun"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

// A copy of the provider's whole database believes that it is the provider: it
// captures, its queue has consumers and is ticked by whoever ticks all databases
// of a server. What it did by itself since it began to live must not be taken
// for the provider's.

// clean refuses what would stand in the way for ever, and tells what the copy
// has that is no business of this set.
func (a *attaching) clean(ctx context.Context) error {
	s := a.sub
	prepared, err := set.TextColumn(ctx, s.conn, "select gid from pg_prepared_xacts where database = current_database() order by prepared")
	if err != nil {
		return fmt.Errorf("subscriber: %w", err)
	}
	if len(prepared) > 0 {
		// The provider's own end brings its rows as events, which would wait for it.
		return hint.With(fmt.Errorf("the subscriber's database was copied with prepared transactions, which hold their locks: %s", strings.Join(prepared, ", ")),
			"at the subscriber: rollback prepared %s", ident.Literal(prepared[0]))
	}
	queues, err := set.TextColumn(ctx, s.conn, "select queue_name from pgq.queue where queue_name <> $1 order by queue_name", a.Queue)
	if err != nil {
		return fmt.Errorf("subscriber: %w", err)
	}
	for _, q := range queues {
		s.log.Warn(fmt.Sprintf("The copy has queue %s too, with its triggers and consumers: nobody reads it here (pgqadm INI drop %s --force)", q, hint.Shell(q)))
	}
	nodes, err := set.TextColumn(ctx, s.conn, "select queue_name from pgq_node.node_info where queue_name <> $1 order by queue_name", a.Queue)
	if err != nil {
		return fmt.Errorf("subscriber: %w", err)
	}
	for _, q := range nodes {
		s.log.Warn(fmt.Sprintf("The copy is a node of set %s too: start no worker of that set on it", q))
	}
	subscriptions, err := set.TextColumn(ctx, s.conn, `select subname from pg_subscription
		where subenabled and subdbid = (select oid from pg_database where datname = current_database()) order by subname`)
	for _, n := range subscriptions {
		s.log.Warn(fmt.Sprintf("The copy has subscription %s, which takes from the provider's own slot: alter subscription %s disable", ident.Quote(n), ident.Quote(n)))
	}
	return err
}

// lastShared is the last tick that both databases have. A ticker that found the
// copy has made others there, with numbers that the provider's have too.
func (a *attaching) lastShared(ctx context.Context, reader *pgq.Reader) (pgq.Tick, error) {
	type tick struct {
		ID       int64
		Time     time.Time
		Snapshot string
	}
	rows, err := a.sub.conn.Query(ctx, `
		select tick_id, tick_time, tick_snapshot::text from pgq.tick t join pgq.queue q on q.queue_id = t.tick_queue
		where q.queue_name = $1 order by tick_id desc`, a.Queue)
	if err != nil {
		return pgq.Tick{}, fmt.Errorf("subscriber: %w", err)
	}
	own, err := pgx.CollectRows(rows, pgx.RowToStructByPos[tick])
	if err != nil {
		return pgq.Tick{}, fmt.Errorf("subscriber: %w", err)
	}
	if len(own) == 0 {
		return pgq.Tick{}, fmt.Errorf("the subscriber's database has no tick of queue %s", a.Queue)
	}
	ids, times, snapshots := []int64{}, []time.Time{}, []string{}
	for _, t := range own {
		ids, times, snapshots = append(ids, t.ID), append(times, t.Time), append(snapshots, t.Snapshot)
	}
	var shared, oldest *int64
	err = a.prov.conn.QueryRow(ctx, `
		select max(t.tick_id) filter (where t.tick_time = w.t and t.tick_snapshot::text = w.s), min(t.tick_id)
		from unnest($2::bigint[], $3::timestamptz[], $4::text[]) as w (id, t, s)
		join pgq.queue q on q.queue_name = $1
		join pgq.tick t on t.tick_queue = q.queue_id and t.tick_id = w.id`, a.Queue, ids, times, snapshots).Scan(&shared, &oldest)
	switch {
	case err != nil:
		return pgq.Tick{}, fmt.Errorf("provider: %w", err)
	case shared == nil && oldest != nil && *oldest == own[len(own)-1].ID:
		return pgq.Tick{}, fmt.Errorf("no tick of the subscriber's database is one of the provider's, not even tick %d: it is no copy of this provider", *oldest)
	case shared == nil:
		return pgq.Tick{}, hint.With(fmt.Errorf("the provider has none of the ticks %d to %d of its copy any more: the events since then are gone",
			own[len(own)-1].ID, own[0].ID),
			"make a newer copy; registering the subscriber before it is made keeps the events: pgqadm INI register %s %s", hint.Shell(a.Queue), hint.Shell(a.ConsumerName()))
	}
	if n := slices.Index(ids, *shared); n > 0 {
		a.sub.log.Warn(fmt.Sprintf("Passing over %s that the provider has not: a ticker runs on the copy", noun.Count(n, "tick")))
	}
	return reader.Tick(ctx, pgq.TickID(*shared))
}

// unwritten refuses a copy in which somebody has written: what its triggers
// have caught since is not in the provider's queue. The newest tell.
func (a *attaching) unwritten(ctx context.Context, last pgq.Tick) error {
	const newest = 10000
	table, err := set.One[string](ctx, a.sub.conn, "select pgq.quote_fqname(queue_data_pfx) from pgq.queue where queue_name = $1", a.Queue)
	if err != nil {
		return fmt.Errorf("subscriber: %w", err)
	}
	var ids, txids []int64
	var times []time.Time
	err = a.sub.conn.QueryRow(ctx, fmt.Sprintf(`
		select coalesce(array_agg(ev_id), '{}'), coalesce(array_agg(ev_txid), '{}'), coalesce(array_agg(ev_time), '{}') from (
			select ev_id, ev_txid, ev_time from %s where ev_txid >= $1 and not txid_visible_in_snapshot(ev_txid, $2::text::txid_snapshot)
			order by ev_id desc limit %d) e`, table, newest), int64(last.Snapshot.Xmin), last.Snapshot.String()).Scan(&ids, &txids, &times)
	if err != nil {
		return fmt.Errorf("subscriber: %w", err)
	}
	if table, err = set.One[string](ctx, a.prov.conn, "select pgq.quote_fqname(queue_data_pfx) from pgq.queue where queue_name = $1", a.Queue); err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	var strange int
	var first *time.Time
	err = a.prov.conn.QueryRow(ctx, `
		select count(*), min(w.time) from unnest($1::bigint[], $2::bigint[], $3::timestamptz[]) as w (id, txid, time)
		where not exists (select from `+table+` e where e.ev_txid = w.txid and e.ev_id = w.id and e.ev_time = w.time)`,
		ids, txids, times).Scan(&strange, &first)
	if err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	if strange > 0 {
		return hint.With(fmt.Errorf("somebody has written into the subscriber's database since it is one, first at %s: the provider has not made %s of replicated tables",
			first.Format(time.RFC3339), noun.Count(strange, "change")), "make a new copy, and keep writers from it")
	}
	return nil
}

// reached wants the log of a physical copy to go as far as was said.
func (a *attaching) reached(ctx context.Context) error {
	if a.opt.LSN == "" {
		return nil
	}
	if a.me.System != a.other.System {
		return hint.With(errors.New("an LSN of the provider means nothing to this server: it is no physical copy of the provider's"),
			"--from-tick 0 takes the last tick that the restored database has")
	}
	var far bool
	var now string
	err := a.sub.conn.QueryRow(ctx, "select pg_current_wal_lsn() >= $1::text::pg_lsn, pg_current_wal_lsn()::text", a.opt.LSN).Scan(&far, &now)
	if err != nil {
		return fmt.Errorf("lsn %q: %w", a.opt.LSN, err)
	}
	if !far {
		return hint.With(fmt.Errorf("the subscriber's log ends at %s, before %s: it was not recovered so far", now, a.opt.LSN),
			"recover it further, or say where it is")
	}
	return nil
}

// survived refuses unlogged tables, and partitions, that a recovery has emptied:
// the provider has rows there.
func (a *attaching) survived(ctx context.Context) error {
	if !a.copied {
		return nil
	}
	for _, n := range a.tables {
		lost, err := a.emptied(ctx, n)
		if err != nil {
			return err
		}
		if lost != "" {
			return hint.With(fmt.Errorf("table %s is unlogged and empty at the subscriber: recovery empties such tables", lost),
				"name the other tables, then have this one copied: subscriber add %s", hint.Shell(n.String()))
		}
	}
	return nil
}

// emptied finds an unlogged relation of a table that has rows at the provider
// and none here.
func (a *attaching) emptied(ctx context.Context, table ident.Name) (string, error) {
	rows, err := a.sub.conn.Query(ctx, `select n.nspname::text, c.relname::text
		from pg_class c join pg_namespace n on n.oid = c.relnamespace
		where c.relpersistence = 'u' and c.relkind = 'r' and (c.oid = to_regclass($1)::oid
			or c.oid in (select relid::oid from pg_partition_tree(to_regclass($1)))) order by 1, 2`, table.SQL())
	if err != nil {
		return "", fmt.Errorf("subscriber: %w", err)
	}
	unlogged, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ident.Name])
	if err != nil {
		return "", fmt.Errorf("subscriber: %w", err)
	}
	for _, n := range unlogged {
		has, err := set.One[bool](ctx, a.sub.conn, "select exists (select from only "+n.SQL()+")")
		if err != nil {
			return "", fmt.Errorf("subscriber: %w", err)
		}
		if has {
			continue
		}
		has, err = set.One[bool](ctx, a.prov.conn, "select exists (select from only "+n.SQL()+")")
		if set.SQLState(err) == "42P01" {
			continue // its rows went with it, and by no event
		}
		if err != nil {
			return "", fmt.Errorf("provider: %w", err)
		}
		if has {
			return n.String(), nil
		}
	}
	return "", nil
}

// nobodyElse keeps a second copy from taking the consumer of a first: they have
// one identity, so the claim cannot tell them apart.
func (a *attaching) nobodyElse(ctx context.Context, tx pgx.Tx) error {
	if !a.copied || a.me.System != a.other.System {
		return nil
	}
	at, err := set.One[int64](ctx, tx, `
		select coalesce(max(s.sub_last_tick), 0) from pgq.subscription s
		join pgq.queue q on q.queue_id = s.sub_queue join pgq.consumer c on c.co_id = s.sub_consumer
		join skytools.claim k on k.queue_name = q.queue_name and k.consumer_name = c.co_name
		where q.queue_name = $1 and c.co_name = $2`, a.Queue, a.ConsumerName())
	if err != nil || at == 0 || at == int64(a.tick.ID) {
		return err
	}
	return hint.With(fmt.Errorf("consumer %s is at tick %d already, for this copy or another one of the same server", a.ConsumerName(), at),
		"give each copy a job_name of its own; if no other uses this one: pgqadm INI unregister %s %s", hint.Shell(a.Queue), hint.Shell(a.ConsumerName()))
}

// cease takes what made the database a provider out of a copy of it. Writers
// of the copy's own must not fill a queue that nobody reads.
func (a *attaching) cease(ctx context.Context, tx pgx.Tx) error {
	captured, err := a.sub.captureKeys(ctx)
	if err != nil {
		return err
	}
	a.sub.log.Info("Removing queue " + a.Queue + " and the triggers of its tables from the copy")
	for name := range captured {
		owed, err := dropCapture(ctx, tx, a.Queue, name)
		if err != nil {
			return fmt.Errorf("remove the triggers of table %s: %w", name, err)
		}
		for _, sql := range owed {
			a.sub.log.Warn("The table's owner has to run: " + sql)
		}
	}
	for _, table := range []string{
		"londiste.table_info", "londiste.seq_info", "pgq_node.local_state", "pgq_node.subscriber_info", "pgq_node.node_info",
		"pgq_node.node_location", "skytools.claim", "skytools.lease", "skytools.worker_state", "skytools.table_counter",
		"skytools.pending_ddl", "skytools.copy_table", "skytools.parked_table", "skytools.skipped_event", "skytools.barrier_snapshot",
		"skytools.compared_table",
	} {
		if _, err := tx.Exec(ctx, "delete from "+table+" where queue_name = $1", a.Queue); err != nil {
			return fmt.Errorf("forget %s of the copy: %w", table, err)
		}
	}
	if _, err := tx.Exec(ctx, "select pgq.drop_queue($1, true)", a.Queue); err != nil {
		return fmt.Errorf("drop queue %s of the copy: %w", a.Queue, err)
	}
	return nil
}
