package londiste

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/apply"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

// A parked table comes back by the last part of a copy: its copier applies the
// events from the table's tick on and hands it over. Its indexes have stayed.

// Retry has parked tables brought back; what they were parked with comes along.
func (b *Subscriber) Retry(ctx context.Context, sel Selection) error {
	s, err := b.openSubscriber(ctx, b.Fake)
	if err != nil {
		return err
	}
	defer s.close()
	tables, err := s.pickParked(ctx, sel)
	if err != nil {
		return err
	}
	return s.change(ctx, func(tx pgx.Tx) error {
		for _, t := range tables {
			if err := s.retry(ctx, tx, t); err != nil {
				return err
			}
		}
		return nil
	})
}

// pickParked resolves a selection to parked tables.
func (s *session) pickParked(ctx context.Context, sel Selection) ([]*set.Table, error) {
	if sel.empty() {
		return nil, hint.With(ErrNothingNamed, "subscriber tables shows which are parked; --all means them all")
	}
	list, err := s.localTables(ctx)
	if err != nil {
		return nil, err
	}
	var known []ident.Name
	byName := map[ident.Name]*set.Table{}
	for i := range list {
		known = append(known, list[i].Name)
		byName[list[i].Name] = &list[i]
	}
	found, err := sel.pick(known)
	switch {
	case err != nil:
		return nil, err
	case len(found.absent) > 0:
		return nil, hint.With(refusal("Table "+joinNames(found.absent)+" not found"), "subscriber tables lists those that are replicated")
	}
	var parked []*set.Table
	for _, n := range found.names {
		t := byName[n]
		switch {
		case t.Parked == nil && found.byGlob[n]:
			continue
		case t.Parked == nil:
			return nil, hint.With(refusal("Table "+n.String()+" is not parked"), "its state is %s", t.State)
		case t.Parked.GivenUp != "" && found.byGlob[n]:
			s.log.Warn("Table " + n.String() + " was given up: only a copy brings it back")
			continue
		case t.Parked.GivenUp != "":
			return nil, hint.With(refusal("The events of table "+n.String()+" are kept no longer: "+t.Parked.GivenUp),
				"copy it anew: londiste INI subscriber resync %s", hint.Shell(n.String()))
		}
		parked = append(parked, t)
	}
	return parked, nil
}

// retry has a parked table and those that were parked with it retried. One of
// the latter stands for all of them: its rows may need those of the first.
func (s *session) retry(ctx context.Context, tx pgx.Tx, t *set.Table) error {
	first := t.Name.String()
	if t.Parked.With != "" {
		first = t.Parked.With
	}
	names, err := set.TextColumn(ctx, tx, `
		update skytools.parked_table set retried_at = clock_timestamp()
		where queue_name = $1 and (table_name = $2 or table_name = $3 or parked_with = $3)
			and retried_at is null and given_up is null
		returning table_name`, s.queue, t.Name.String(), first)
	if err != nil {
		return fmt.Errorf("retry table %s: %w", t.Name, err)
	}
	if len(names) == 0 {
		s.log.Info("Table " + t.Name.String() + " is being retried already")
	}
	slices.Sort(names)
	for _, n := range names {
		s.log.Info("Retrying " + n)
	}
	return nil
}

// SkipEvent has a parked table brought back without one of its events, which
// must be one of those that the provider keeps for it.
func (b *Subscriber) SkipEvent(ctx context.Context, table string, event int64) error {
	prov, sub, err := b.openBoth(ctx)
	if err != nil {
		return err
	}
	defer prov.close()
	defer sub.close()
	parked, err := sub.pickParked(ctx, Selection{Names: []string{table}})
	if err != nil {
		return err
	}
	if len(parked) != 1 {
		return hint.With(refusal("Skip passes over one event of one table"), "name the table, not a pattern")
	}
	t := parked[0]
	if err := prov.awaits(ctx, t, event); err != nil {
		return err
	}
	return sub.change(ctx, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `insert into skytools.skipped_event (queue_name, table_name, ev_id) values ($1, $2, $3)
			on conflict do nothing`, sub.queue, t.Name.String(), event)
		if err != nil {
			return fmt.Errorf("skip event %d: %w", event, err)
		}
		sub.log.Info(fmt.Sprintf("Event %d of table %s will be passed over", event, t.Name))
		return sub.retry(ctx, tx, t)
	})
}

// awaits refuses an event that is not one that a parked table waits for.
func (s *session) awaits(ctx context.Context, t *set.Table, event int64) error {
	prefix, err := set.One[string](ctx, s.conn, "select queue_data_pfx from pgq.queue where queue_name = $1", s.queue)
	if err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	events, err := ident.Parse(prefix)
	if err != nil {
		return err
	}
	tick, err := pgq.NewReader(s.conn, s.queue).Tick(ctx, pgq.TickID(t.Parked.Tick))
	if err != nil {
		return err
	}
	var ev apply.Event
	err = s.conn.QueryRow(ctx, "select ev_txid, ev_type, ev_extra1 from "+events.SQL()+" where ev_id = $1 and ev_owner is null", event).
		Scan(&ev.Tx, &ev.Type, &ev.Extra1)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return hint.With(refusal(fmt.Sprintf("Event %d not found in queue %s", event, s.queue)), "status shows which one failed")
	case err != nil:
		return fmt.Errorf("provider: event %d: %w", event, err)
	case !ev.Of(t.Name):
		return hint.With(refusal(fmt.Sprintf("Event %d is not one of table %s", event, t.Name)), "status shows which one failed")
	case tick.Snapshot.Sees(pgq.TxID(ev.Tx)):
		return refusal(fmt.Sprintf("Event %d is in table %s already: it lies before tick %d", event, t.Name, tick.ID))
	}
	return nil
}
