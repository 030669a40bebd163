package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/apply"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/londiste/set"
)

// registry is what a worker knows of the registrations at its subscriber. It
// tells the applier what to do with a table: those in the phase that it is
// made for are applied.
type registry struct {
	queue   string
	phase   set.Phase
	only    ident.Name // of a copy: the one table that counts; else zero
	version string     // of what was loaded; "" nothing
	list    []set.Table
	byName  map[ident.Name]*set.Table
	targets map[ident.Name]*apply.Target
	bad     map[ident.Name]error            // tables whose target cannot be loaded
	aside   map[ident.Name]*set.ParkedTable // of the worker: to be left out of the batch at hand
	seqs    []set.Sequence
}

func newRegistry(queue string, phase set.Phase) *registry {
	return &registry{queue: queue, phase: phase}
}

// versionSQL changes whenever a registration of queue $1 does, or one of another
// for the same tables comes or goes; where there are others also when a table
// becomes a partition, which theirs may be. It is read in
// the transaction of every batch: a table added before the batch's last event
// was written must not lose that event to a list from before.
const versionSQL = `select (
		select count(*)::text || ' ' || coalesce(sum(hashtextextended(table_name || xmin::text || ctid::text, 0)::numeric), 0)::text
		from londiste.table_info where queue_name = $1
	) || ' ' || (
		select count(*)::text || ' ' || coalesce(sum(hashtextextended(seq_name || xmin::text || ctid::text, 0)::numeric), 0)::text
		from londiste.seq_info where queue_name = $1
	) || ' ' || (
		select count(*)::text || ' ' || coalesce(sum(hashtextextended(table_name || xmin::text || ctid::text, 0)::numeric), 0)::text
		from skytools.parked_table where queue_name = $1
	) || ' ' || (
		select count(*)::text || ' ' || coalesce(sum(hashtextextended(table_name || queue_name || local::text, 0)::numeric), 0)::text
		from londiste.table_info where queue_name <> $1
	) || ' ' || (
		select count(*)::text || ' ' || coalesce(sum(hashtextextended(inhrelid::text || ' ' || inhparent::text, 0)::numeric), 0)::text
		from pg_inherits where exists (select from londiste.table_info where queue_name <> $1 and local)
	) || ' ' || (
		select count(*)::text || ' ' || coalesce(sum(hashtextextended(table_name || xmin::text || ctid::text, 0)::numeric), 0)::text
		from skytools.resync_part where queue_name = $1
	)`

// refresh loads what has changed since the last time and tells whether
// anything had.
func (g *registry) refresh(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var version string
	if err := conn.QueryRow(ctx, versionSQL, g.queue).Scan(&version); err != nil {
		return false, fmt.Errorf("read registrations: %w", err)
	}
	if version == g.version {
		return false, nil
	}
	return true, g.load(ctx, conn)
}

// loader is a connection or a transaction.
type loader interface {
	set.Queryer
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// load reads everything anew. Descriptions of tables known already are kept,
// until forget.
func (g *registry) load(ctx context.Context, q loader) error {
	g.version = ""
	var version string // read first: a change in between is noticed next time
	if err := q.QueryRow(ctx, versionSQL, g.queue).Scan(&version); err != nil {
		return fmt.Errorf("read registrations: %w", err)
	}
	list, err := set.Tables(ctx, q, g.queue)
	if err != nil {
		return err
	}
	if err := set.NoteParked(ctx, q, g.queue, list); err != nil {
		return err
	}
	if g.seqs, err = set.Sequences(ctx, q, g.queue); err != nil {
		return err
	}
	shared, err := set.Shared(ctx, q, g.queue)
	if err != nil {
		return err
	}
	g.list, g.byName, g.bad = list, map[ident.Name]*set.Table{}, map[ident.Name]error{}
	known := g.targets
	g.targets = map[ident.Name]*apply.Target{}
	for i := range list {
		t := &list[i]
		g.byName[t.Name] = t
		if !g.applies(t) {
			continue
		}
		target := known[t.Name]
		if target == nil || target.Name != t.Dest {
			target, err = apply.LoadTarget(ctx, q, t.Dest)
		}
		if err != nil {
			g.bad[t.Name] = err
			continue
		}
		g.targets[t.Name] = sharing(target, len(shared[t.Dest]) > 0)
	}
	g.version = version
	return nil
}

// sharing notes on a target whether other queues fill it, too. A target in use
// is not changed.
func sharing(target *apply.Target, shared bool) *apply.Target {
	if target.Shared == shared {
		return target
	}
	other := *target
	other.Shared = shared
	return &other
}

// forget makes the next refresh read everything, descriptions of tables too.
func (g *registry) forget() {
	if g != nil {
		g.version, g.targets = "", nil
	}
}

func (g *registry) applies(t *set.Table) bool {
	if g.only != (ident.Name{}) && t.Name != g.only {
		return false
	}
	return t.Local && g.aside[t.Name] == nil && (t.State.Phase == g.phase || g.only == t.Name)
}

// Lookup implements [apply.Tables].
func (g *registry) Lookup(name ident.Name) (*apply.Target, apply.Action) {
	t := g.byName[name]
	switch {
	case t == nil || !t.Local, g.only != (ident.Name{}) && g.only != name:
		return nil, apply.Filter
	case !g.applies(t):
		return nil, apply.Skip
	}
	return g.targets[name], apply.Apply // nil where it cannot be described
}

// explain puts into the applier's error why a table cannot be described.
func (g *registry) explain(err error) error {
	if bad, ok := errors.AsType[*apply.Error](err); ok && g.bad[bad.Table] != nil {
		bad.Err = g.bad[bad.Table]
	}
	return err
}

// needPosition tells whether any table depends on the worker's position.
func (g *registry) needPosition() bool {
	for i := range g.list {
		if t := &g.list[i]; t.Local && t.State.Phase != set.None {
			return true
		}
	}
	return false
}

// in lists the local tables in a phase.
func (g *registry) in(phases ...set.Phase) []*set.Table {
	var found []*set.Table
	for i := range g.list {
		t := &g.list[i]
		for _, p := range phases {
			if t.Local && t.State.Phase == p {
				found = append(found, t)
			}
		}
	}
	return found
}
