package londiste

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/londiste/set"
)

// Register makes the provider keep events for this subscriber, and claims the
// consumer for the subscriber's database. The worker does it by itself at its
// first start. With force the consumer is taken from the database that has it.
func (b *Subscriber) Register(ctx context.Context, force bool) error {
	prov, sub, err := b.openBoth(ctx)
	if err != nil {
		return err
	}
	defer prov.close()
	defer sub.close()
	consumer := b.ConsumerName()
	if !b.Fake {
		if err := b.claim(ctx, prov, sub, force); err != nil {
			return err
		}
	}
	return prov.change(ctx, func(tx pgx.Tx) error {
		fresh, err := set.One[int](ctx, tx, "select pgq.register_consumer($1, $2)", b.Queue, consumer)
		if err != nil {
			return fmt.Errorf("register consumer %s: %w", consumer, err)
		}
		if fresh == 1 {
			prov.log.Info("Registering consumer " + consumer + " on queue " + b.Queue)
		} else {
			prov.log.Info("Consumer " + consumer + " is registered on queue " + b.Queue)
		}
		return nil
	})
}

func (b *Subscriber) claim(ctx context.Context, prov, sub *session, force bool) error {
	if force {
		b.Logger().Info("Claiming consumer " + b.ConsumerName() + " for this subscriber")
		return b.ForceClaim(ctx, prov.conn, sub.conn)
	}
	me, err := set.Identify(ctx, sub.conn)
	if err != nil {
		return err
	}
	_, err = set.Claim(ctx, prov.conn, &b.Pair, b.ConsumerName(), me, 0, false)
	return err
}

// Unregister lets the provider forget this subscriber: its events are kept no
// longer. Every table must be copied again afterwards, so all lose their
// state. It refuses while a worker runs.
func (b *Subscriber) Unregister(ctx context.Context) error {
	prov, sub, err := b.openBoth(ctx)
	if err != nil {
		return err
	}
	defer prov.close()
	defer sub.close()
	if err := (set.Fence{Queue: b.Queue, Consumer: b.ConsumerName()}).Alone(ctx, sub.conn); err != nil {
		return err
	}
	consumer := b.ConsumerName()
	err = sub.change(ctx, func(tx pgx.Tx) error {
		for _, sql := range []string{
			"delete from skytools.worker_state where queue_name = $1 and consumer_name = $2",
			"delete from pgq_node.local_state where queue_name = $1 and (consumer_name = $2 or starts_with(consumer_name, $2 || '.copy.'))",
		} {
			if _, err := tx.Exec(ctx, sql, b.Queue, consumer); err != nil {
				return err
			}
		}
		for _, table := range []string{"parked_table", "resync_part", "resync_key"} {
			if _, err := tx.Exec(ctx, "delete from skytools."+table+" where queue_name = $1", b.Queue); err != nil {
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
			if _, err := tx.Exec(ctx, "select pgq.unregister_consumer($1, $2), skytools.unclaim($1, $2)", b.Queue, name); err != nil {
				return fmt.Errorf("unregister consumer %s: %w", name, err)
			}
		}
		return nil
	})
}

// position is the tick up to which the consumer has applied; nil is none.
func (s *session) position(ctx context.Context, consumer string) (*int64, error) {
	tick, err := set.One[int64](ctx, s.conn,
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
	states := map[ident.Name]set.State{}
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
		if phase := states[n].Phase; phase == set.None || phase == set.OK || b.Fake {
			continue
		}
		// A running worker ends its copy within a second, which frees the table.
		b.endCopy(ctx, n)
		if err := set.RebuildObjects(ctx, sub.conn, &b.Pair, n, n, false, sub.writer(ctx)); err != nil {
			return hint.With(err, "the table left the set in the middle of its copy: mend it, then start replay, which tries again")
		}
	}
	if b.Fake {
		return nil
	}
	return set.RestoreFkeys(ctx, sub.conn, &b.Pair, sub.writer(ctx))
}

func (s *session) writer(ctx context.Context) set.Writer {
	return func(p failpoint.Point, fn func(tx pgx.Tx) error) error { return set.InTx(ctx, s.conn, p, fn) }
}

func (b *Subscriber) forgetTable(ctx context.Context, sub *session, tx pgx.Tx, n ident.Name) error {
	_, err := tx.Exec(ctx, "delete from londiste.table_info where queue_name = $1 and table_name = $2", b.Queue, n.String())
	if err != nil {
		return err
	}
	if err := set.Unpark(ctx, tx, b.Queue, n, true); err != nil {
		return err
	}
	ddl, order, err := sub.pendingTriggers(ctx, tx, n)
	if err != nil {
		return err
	}
	if err := sub.restoreTriggers(ctx, tx, n, order, ddl); err != nil {
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
	// What was found of its rows must not be told of those that come when it is added again.
	_, err = tx.Exec(ctx, "delete from skytools.compared_table where queue_name = $1 and table_name = $2", b.Queue, n.String())
	if err != nil {
		return err
	}
	// One of a copy under way is held by its chunks: replay sweeps it up.
	_, err = tx.Exec(ctx, `delete from skytools.copy_table where (queue_name, table_name) in (
		select queue_name, table_name from skytools.copy_table
		where queue_name = $1 and table_name = $2 for update skip locked)`, b.Queue, n.String())
	return err
}

// endCopy takes away the consumer that held the events for a table's copy. A
// running worker does it as well.
func (b *Subscriber) endCopy(ctx context.Context, n ident.Name) {
	consumer := b.CopyConsumer(n)
	prov, err := openProvider(ctx, &b.Pair, b.Fake)
	if err == nil {
		defer prov.close()
		err = prov.change(ctx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "select pgq.unregister_consumer($1, $2), skytools.unclaim($1, $2)", b.Queue, consumer)
			return err
		})
	}
	if err != nil {
		b.Logger().Warn("Cannot unregister consumer "+consumer+" at the provider; replay does it when it runs", "err", err)
	}
}
