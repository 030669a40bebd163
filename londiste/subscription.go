package londiste

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
)

// Register makes the provider keep events for this subscriber. The worker
// does it by itself at its first start. With force the consumer is taken
// from the database it belongs to.
func (b *Subscriber) Register(ctx context.Context, force bool) error {
	prov, err := b.openProvider(ctx, b.Fake)
	if err != nil {
		return err
	}
	defer prov.close()
	consumer := b.ConsumerName()
	return prov.change(ctx, func(tx pgx.Tx) error {
		fresh, err := one[int](ctx, tx, "select pgq.register_consumer($1, $2)", b.Queue, consumer)
		if err != nil {
			return fmt.Errorf("register consumer %s: %w", consumer, err)
		}
		if fresh == 1 {
			prov.log.Info("Registering consumer " + consumer + " on queue " + b.Queue)
		} else {
			prov.log.Info("Consumer " + consumer + " is registered on queue " + b.Queue)
		}
		if !force {
			return nil
		}
		owner, err := one[string](ctx, tx, `
			delete from skytools.claim where queue_name = $1 and consumer_name = $2
			returning database_name || ', node ' || node_name`, b.Queue, consumer)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err == nil {
			prov.log.Warn("Consumer " + consumer + " is taken from database " + owner + "; the next replay claims it")
		}
		return err
	})
}

// Unregister lets the provider forget this subscriber: its events are kept no
// longer. Every table must be copied again afterwards, so all lose their
// state. A worker that still runs is fenced off.
func (b *Subscriber) Unregister(ctx context.Context) error {
	prov, sub, err := b.openBoth(ctx)
	if err != nil {
		return err
	}
	defer prov.close()
	defer sub.close()
	consumer := b.ConsumerName()
	err = sub.change(ctx, func(tx pgx.Tx) error {
		for _, sql := range []string{
			"update skytools.lease set epoch = epoch + 1 where queue_name = $1 and consumer_name = $2",
			"delete from skytools.worker_state where queue_name = $1 and consumer_name = $2",
			"delete from pgq_node.local_state where queue_name = $1 and (consumer_name = $2 or starts_with(consumer_name, $2 || '.copy.'))",
		} {
			if _, err := tx.Exec(ctx, sql, b.Queue, consumer); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `
			update londiste.table_info set merge_state = null, custom_snapshot = null
			where queue_name = $1 and local`, b.Queue)
		return err
	})
	if err != nil {
		return fmt.Errorf("forget the position: %w", err)
	}
	return prov.change(ctx, func(tx pgx.Tx) error {
		prov.log.Info("Unregistering consumer " + consumer + " from queue " + b.Queue)
		rows, err := tx.Query(ctx, `
			select consumer_name from pgq.get_consumer_info($1)
			where consumer_name = $2 or starts_with(consumer_name, $2 || '.copy.')`, b.Queue, consumer)
		if err != nil {
			return err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		if len(names) == 0 {
			prov.log.Warn("Consumer " + consumer + " is not registered on queue " + b.Queue)
		}
		for _, name := range names {
			if _, err := tx.Exec(ctx, "select pgq.unregister_consumer($1, $2)", b.Queue, name); err != nil {
				return fmt.Errorf("unregister consumer %s: %w", name, err)
			}
		}
		_, err = tx.Exec(ctx, "delete from skytools.claim where queue_name = $1 and consumer_name = $2", b.Queue, consumer)
		return err
	})
}

// Rewind sets the provider's idea of the position to the subscriber's.
func (b *Subscriber) Rewind(ctx context.Context) error {
	prov, sub, err := b.openBoth(ctx)
	if err != nil {
		return err
	}
	defer prov.close()
	defer sub.close()
	tick, err := sub.position(ctx, b.ConsumerName())
	if err != nil {
		return err
	}
	if tick == nil {
		sub.log.Warn("No tick found on dst side")
		return nil
	}
	return prov.change(ctx, func(tx pgx.Tx) error {
		prov.log.Info("Rewinding queue", "tick", *tick)
		_, err := tx.Exec(ctx, "select pgq.register_consumer_at($1, $2, $3)", b.Queue, b.ConsumerName(), *tick)
		if err != nil {
			return hint.With(fmt.Errorf("rewind queue %s to tick %d: %w", b.Queue, *tick, err),
				"if the provider has that tick no more, its events are gone: londiste INI replay --reset, then subscriber resync --all")
		}
		return nil
	})
}

// Reset forgets the subscriber's position: the next replay starts from the
// provider's idea of it.
func (b *Subscriber) Reset(ctx context.Context) error {
	sub, err := b.openSubscriber(ctx, b.Fake)
	if err != nil {
		return err
	}
	defer sub.close()
	return sub.change(ctx, func(tx pgx.Tx) error {
		sub.log.Info("Resetting queue tracking on dst side")
		for _, sql := range []string{
			"delete from skytools.worker_state where queue_name = $1 and consumer_name = $2",
			"delete from pgq_node.local_state where queue_name = $1 and consumer_name = $2",
		} {
			if _, err := tx.Exec(ctx, sql, b.Queue, b.ConsumerName()); err != nil {
				return err
			}
		}
		return nil
	})
}

// position is the tick up to which the consumer has applied; nil is none.
func (s *session) position(ctx context.Context, consumer string) (*int64, error) {
	tick, err := one[int64](ctx, s.conn,
		"select last_tick_id from pgq_node.local_state where queue_name = $1 and consumer_name = $2", s.queue, consumer)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	return &tick, err
}

// RemoveTables lets the worker ignore tables from now on. What was dropped
// or disabled for them comes back.
func (b *Subscriber) RemoveTables(ctx context.Context, sel Selection) error {
	sub, err := b.openSubscriber(ctx, b.Fake)
	if err != nil {
		return err
	}
	defer sub.close()
	list, err := sub.localTables(ctx)
	if err != nil {
		return err
	}
	states := map[ident.Name]State{}
	var known []ident.Name
	for _, t := range list {
		known = append(known, t.Name)
		states[t.Name] = t.State
	}
	names, err := pickRegistered(sel, known, "Table", "subscriber")
	if err != nil {
		return err
	}
	for _, n := range names {
		sub.log.Info("Removing: " + n.String())
		if err := sub.changeTable(ctx, n, func(tx pgx.Tx) error { return b.forgetTable(ctx, sub, tx, n) }); err != nil {
			return fmt.Errorf("remove table %s: %w", n, err)
		}
		if phase := states[n].Phase; phase != None && phase != OK {
			b.endCopy(ctx, n)
		}
	}
	return nil
}

func (b *Subscriber) forgetTable(ctx context.Context, sub *session, tx pgx.Tx, n ident.Name) error {
	_, err := tx.Exec(ctx, "delete from londiste.table_info where queue_name = $1 and table_name = $2", b.Queue, n.String())
	if err != nil {
		return err
	}
	ddl, order, err := sub.pendingTriggers(ctx, tx, n)
	if err != nil {
		return err
	}
	if err := sub.restoreTriggers(ctx, tx, n, order, ddl); err != nil {
		return err
	}
	if err := sub.restoreIndexes(ctx, tx, n); err != nil {
		return err
	}
	if err := sub.restoreForeignKeys(ctx, tx, n); err != nil {
		return err
	}
	for _, sql := range []string{
		"delete from skytools.table_counter where queue_name = $1 and consumer_name = $2 and table_name = $3",
		"delete from pgq_node.local_state where queue_name = $1 and consumer_name = $2 || '.copy.' || $3",
	} {
		if _, err := tx.Exec(ctx, sql, b.Queue, b.ConsumerName(), n.String()); err != nil {
			return err
		}
	}
	return nil
}

// restoreIndexes makes the indexes and constraints that a copy had dropped.
func (s *session) restoreIndexes(ctx context.Context, tx pgx.Tx, n ident.Name) error {
	rows, err := tx.Query(ctx, `
		delete from skytools.pending_ddl
		where queue_name = $1 and table_name = $2 and kind in ('index', 'constraint')
		returning pending_id, ddl`, s.queue, n.String())
	if err != nil {
		return err
	}
	byID := map[int]string{}
	var id int
	var ddl string
	if _, err := pgx.ForEachRow(rows, []any{&id, &ddl}, func() error {
		byID[id] = ddl
		return nil
	}); err != nil {
		return err
	}
	for _, id := range sortedKeys(byID) {
		if _, err := tx.Exec(ctx, byID[id]); err != nil {
			return hint.With(fmt.Errorf("%s: %w", byID[id], err),
				"the table is in the middle of its copy; remove it when subscriber tables says ok, or empty it before")
		}
	}
	return nil
}

// restoreForeignKeys brings back the foreign keys of a table that leaves the
// set, but for those whose other end is being copied: the worker does those.
// They are not checked against the rows.
func (s *session) restoreForeignKeys(ctx context.Context, tx pgx.Tx, n ident.Name) error {
	rows, err := tx.Query(ctx, `
		delete from londiste.pending_fkeys p
		where (p.from_table = $2 or p.to_table = $2)
		  and not exists (
		    select from londiste.table_info t
		    where t.queue_name = $1 and t.table_name in (p.from_table, p.to_table)
		      and t.local and t.merge_state is distinct from 'ok')
		returning p.fkey_name, p.fkey_def`, s.queue, n.String())
	if err != nil {
		return err
	}
	type fkey struct{ Name, Def string }
	fkeys, err := pgx.CollectRows(rows, pgx.RowToStructByPos[fkey])
	if err != nil {
		return err
	}
	for _, f := range fkeys {
		if _, err := tx.Exec(ctx, notValid(f.Def)); err != nil {
			return fmt.Errorf("restore foreign key %s: %w", f.Name, err)
		}
		s.log.Warn("Foreign key " + f.Name + " is back, its rows not checked: run alter table … validate constraint")
	}
	return nil
}

// endCopy takes away the consumer that held the events for a table's copy. A
// running worker does it as well.
func (b *Subscriber) endCopy(ctx context.Context, n ident.Name) {
	consumer := b.CopyConsumer(n)
	prov, err := b.openProvider(ctx, b.Fake)
	if err == nil {
		defer prov.close()
		err = prov.change(ctx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "select pgq.unregister_consumer($1, $2)", b.Queue, consumer)
			return err
		})
	}
	if err != nil {
		b.log().Warn("Cannot unregister consumer "+consumer+" at the provider; replay does it when it runs", "err", err)
	}
}
