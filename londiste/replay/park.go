package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/apply"
	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

// trouble is a batch that is refused because of a table.
type trouble struct {
	at    pgq.TickID // where the batch begins
	since time.Time
}

func (w *Worker) parkAfter() time.Duration { return cmp.Or(w.ParkAfter, 5*time.Second) }

// leaveOut decides, after a batch failed with err, whether the next attempt
// goes without the table that err names. Where foreign keys act, the tables
// that refer to it stay out with it: their rows may need rows of it.
func (r *run) leaveOut(ctx context.Context, err error) bool {
	bad, ok := errors.AsType[*apply.Error](err)
	if !ok || r.parkAfter() < 0 || !bad.Lasting() || r.sub == nil || r.sub.IsClosed() {
		return false
	}
	t := r.tables.named(bad.Table)
	if t == nil || t.State.Phase != set.OK {
		return false
	}
	now := time.Now()
	if r.trouble.at != r.position.ID {
		r.trouble = trouble{r.position.ID, now}
		r.tables.aside = nil
	}
	if r.tables.aside[t.Name] != nil { // to leave it out did not help
		r.trouble.since, r.tables.aside = now, nil
	}
	if now.Sub(r.trouble.since) < r.parkAfter() {
		return false
	}
	with := []ident.Name{t.Name}
	if r.noReplica {
		if with, err = r.family(ctx, t); err != nil {
			r.Logger().Warn("Cannot tell which tables refer to one that cannot be applied", "table", t.Name.String(), "error", err)
			return false
		}
	}
	r.Logger().Warn("Batch will be applied without a table", "table", t.Name.String(), "tick", int64(r.position.ID), "error", bad)
	for _, name := range with {
		p := &set.ParkedTable{Error: bad.Error(), Event: bad.Event, Key: bad.Key, Statement: bad.Statement}
		if name != t.Name {
			p.With = t.Name.String()
		}
		if r.tables.aside[name] == nil {
			r.tables.leave(name, p)
		}
	}
	return true
}

// named finds a table by its name in the set, else by the one that the
// subscriber's server knows it by.
func (g *registry) named(name ident.Name) *set.Table {
	if t := g.byName[name]; t != nil {
		return t
	}
	for i := range g.list {
		if t := &g.list[i]; t.Local && t.Dest == name {
			return t
		}
	}
	return nil
}

func (g *registry) leave(name ident.Name, p *set.ParkedTable) {
	if g.aside == nil {
		g.aside = map[ident.Name]*set.ParkedTable{}
	}
	g.aside[name] = p
}

// relations are the tables in the phase, or all of this node, as the server
// finds them.
func (g *registry) relations(phase ...set.Phase) (names, relations []string) {
	for i := range g.list {
		if t := &g.list[i]; t.Local && (len(phase) == 0 || slices.Contains(phase, t.State.Phase)) {
			names, relations = append(names, t.Name.String()), append(relations, t.Dest.SQL())
		}
	}
	return names, relations
}

// family lists a table and those that refer to it, and to them.
func (r *run) family(ctx context.Context, t *set.Table) ([]ident.Name, error) {
	names, relations := r.tables.relations(set.OK)
	texts, err := set.TextColumn(ctx, r.sub, `
		with recursive here as (
			select x.name, to_regclass(x.relation)::oid as id from unnest($1::text[], $2::text[]) as x (name, relation)
		), family (name, id) as (
			select name, id from here where name = $3
			union
			select h.name, h.id from family f join pg_constraint c on c.contype = 'f' and c.confrelid = f.id
			join here h on h.id = c.conrelid
		)
		select name from family`, names, relations, t.Name.String())
	if err != nil {
		return nil, err
	}
	family := []ident.Name{t.Name}
	for _, text := range texts {
		name, err := ident.Parse(text)
		if err != nil {
			return nil, err
		}
		if name != t.Name {
			family = append(family, name)
		}
	}
	return family, nil
}

// hold has the provider keep the events of the tables that are left out of the
// batch, from the tick where it begins: before the position passes it, so that
// the worker's own consumer has kept them until now. If the batch is not
// applied after all, sweep takes the consumers away again.
func (r *run) hold(ctx context.Context) error {
	if r.trouble.at != r.position.ID { // the position was set back
		r.tables.aside = nil
	}
	if len(r.tables.aside) == 0 {
		return nil
	}
	if err := r.stand(ctx); err != nil {
		return err
	}
	if err := r.setFree(ctx); err != nil {
		return err
	}
	for name, p := range r.tables.aside {
		p.Tick = int64(r.position.ID)
		if err := holdAt(ctx, r.prov, &r.Pair, name, r.me, r.fence.Epoch, r.position.ID); err != nil {
			return err
		}
	}
	return nil
}

// stand has the provider know the position: its tick stays while a consumer
// stands there.
func (r *run) stand(ctx context.Context) error {
	if r.settled != r.position.ID {
		if err := r.settle(ctx, nil); err != nil {
			return err
		}
	}
	if r.acked != r.position.ID {
		return r.ack(ctx)
	}
	return nil
}

// holdAt registers a copy's consumer at a tick, which must be there still: then
// so are the events after it.
func holdAt(ctx context.Context, conn *pgx.Conn, p *set.Pair, table ident.Name, me set.Identity, epoch int64, tick pgq.TickID) error {
	consumer := p.CopyConsumer(table)
	err := failpoint.Commit(failpoint.ParkHold, func() error {
		_, err := conn.Exec(ctx, `select pgq.register_consumer_at($1, $2, $3),
			skytools.claim($1, $2, $4, $5, $6, $7, $8, true)`,
			p.Queue, consumer, int64(tick), me.System, me.OID, me.Database, p.Job, epoch)
		return err
	})
	if err != nil {
		return fmt.Errorf("register consumer %s at the provider: %w", consumer, err)
	}
	return nil
}

// setFree drops the foreign keys from tables that are left out to tables that
// are not, where foreign keys act: rows may go there that the former still
// refer to. They come back when both are ok, as after a copy.
func (r *run) setFree(ctx context.Context) error {
	if !r.noReplica {
		return nil
	}
	var out []string
	for name := range r.tables.aside {
		if t := r.tables.byName[name]; t != nil {
			out = append(out, t.Dest.SQL())
		}
	}
	_, all := r.tables.relations()
	err := set.DropFkeys(ctx, &r.Pair, r.fkeys, r.writer(ctx), `c.conrelid in (select to_regclass(x)::oid from unnest($1::text[]) x)
		and c.confrelid in (select to_regclass(x)::oid from unnest($2::text[]) x where x <> all ($1))`, out, all)
	if err != nil {
		return fmt.Errorf("drop foreign keys of tables that are to be parked: %w", err)
	}
	return nil
}

// parkTables moves the tables that a batch was applied without out of ok, in
// the transaction of the batch.
func (r *run) parkTables(ctx context.Context, tx pgx.Tx) error {
	if !set.Main.May(set.OK, set.CatchingUp) {
		return errors.New("a table may not be parked")
	}
	for name, p := range r.tables.aside {
		tag, err := tx.Exec(ctx, `update londiste.table_info set merge_state = $3, custom_snapshot = null
			where queue_name = $1 and table_name = $2 and local and merge_state in ('ok', '?')`,
			r.Queue, name.String(), set.State{Phase: set.CatchingUp}.Text())
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 { // removed, or to be copied anew: it needs no place any more
			continue
		}
		if err := p.Park(ctx, tx, r.Queue, name, r.CopyConsumer(name)); err != nil {
			return fmt.Errorf("park table %s: %w", name, err)
		}
	}
	return nil
}

// parked tells of tables that a batch was applied without.
func (r *run) parked() {
	for name, p := range r.tables.aside {
		r.Logger().Error("Table parked", "table", name.String(), "tick", p.Tick, "event", p.Event, "key", p.Key,
			"error", p.Error, "hint", "mend the cause, then: londiste INI subscriber retry "+hint.Shell(name.String()))
		r.dirty.Store(true)
	}
	r.tables.aside, r.trouble = nil, trouble{}
}

// parkLook is between two looks at what parked tables cost.
const parkLook = 5 * time.Second

// tendParked sees to it that the provider still keeps the events of parked
// tables, and no more of them than they may cost. A table whose events are gone,
// or too many, is given up: rotation must not stand still for ever.
func (r *run) tendParked(ctx context.Context) error {
	var parked []*set.Table
	for _, t := range r.tables.in(set.CatchingUp) {
		if t.Aside() && t.Parked.GivenUp == "" {
			parked = append(parked, t)
		}
	}
	if len(parked) == 0 || time.Since(r.parkedAt) < parkLook {
		return nil
	}
	r.parkedAt = time.Now()
	rows, err := r.prov.Query(ctx, `select b.consumer_name, extract(epoch from b.age)::float8, b.bytes
		from pgq.queue q, skytools.backlogs(q.queue_id) b
		where q.queue_name = $1 and starts_with(b.consumer_name, $2)`, r.Queue, r.CopyPrefix())
	if err != nil {
		return fmt.Errorf("provider: backlogs: %w", err)
	}
	type backlog struct {
		age   time.Duration
		bytes int64
	}
	kept := map[string]backlog{}
	var consumer string
	var age float64
	var bytes int64
	_, err = pgx.ForEachRow(rows, []any{&consumer, &age, &bytes}, func() error {
		kept[consumer] = backlog{time.Duration(age * float64(time.Second)), bytes}
		return nil
	})
	if err != nil {
		return fmt.Errorf("provider: backlogs: %w", err)
	}
	for _, t := range parked {
		b, held := kept[r.CopyConsumer(t.Name)]
		reason := ""
		switch {
		case !held:
			reason, err = r.holdAgain(ctx, t)
		case r.ParkMaxAge > 0 && b.age > r.ParkMaxAge:
			reason = fmt.Sprintf("they were %s old, more than %s", b.age.Round(time.Second), r.ParkMaxAge)
		case r.ParkMaxSize > 0 && b.bytes > r.ParkMaxSize:
			reason = fmt.Sprintf("they took %d bytes of the queue, more than %d", b.bytes, r.ParkMaxSize)
		}
		if err == nil && reason != "" {
			err = r.giveUp(ctx, t, reason)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// holdAgain registers a parked table's consumer, which somebody removed, or
// says why that cannot be done: its tick is gone, or a policy detached it.
func (r *run) holdAgain(ctx context.Context, t *set.Table) (gone string, err error) {
	err = holdAt(ctx, r.prov, &r.Pair, t.Name, r.me, r.fence.Epoch, pgq.TickID(t.Parked.Tick))
	return lostHold(err)
}

// lostHold tells from holdAt's error that no retry mends it.
func lostHold(err error) (gone string, _ error) {
	switch set.SQLState(err) {
	case "42704", "55000", "P0001": // ours, and the real extension's
		return err.Error(), nil
	}
	return "", err
}

func (r *run) giveUp(ctx context.Context, t *set.Table, reason string) error {
	err := giveUp(ctx, &r.Pair, t, set.Main, reason, r.writer(ctx))
	if errors.Is(err, set.ErrMoved) {
		return nil
	}
	if err != nil {
		return err
	}
	r.dirty.Store(true)
	return unregister(ctx, r.prov, r.Queue, r.CopyConsumer(t.Name))
}

// endRetry writes down where a parked table stands when it has not come back.
func endRetry(write set.Writer, fn func(tx pgx.Tx) error) error { return write(failpoint.ParkEnd, fn) }

// giveUp takes a parked table's place: its events are kept no longer. Whoever
// dies before the consumer is gone leaves it to sweep.
func giveUp(ctx context.Context, p *set.Pair, t *set.Table, by set.Owner, reason string, write set.Writer) error {
	err := endRetry(write, func(tx pgx.Tx) error {
		if err := set.MoveTable(ctx, tx, p.Queue, t.Name, by, t.State, set.State{}); err != nil {
			return err
		}
		b := &pgx.Batch{}
		b.Queue(`update skytools.parked_table set given_up = $3, retried_at = null
			where queue_name = $1 and table_name = $2`, p.Queue, t.Name.String(), reason)
		b.Queue(`delete from pgq_node.local_state where queue_name = $1 and consumer_name = $2`,
			p.Queue, p.CopyConsumer(t.Name))
		return tx.SendBatch(ctx, b).Close()
	})
	if err == nil {
		p.Logger().Error("Parked table given up: its events are kept no longer", "table", t.Name.String(), "reason", reason,
			"hint", "londiste INI subscriber resync "+hint.Shell(t.Name.String()))
	}
	return err
}
