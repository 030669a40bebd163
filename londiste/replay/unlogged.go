package replay

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/londiste/set"
)

// emptied has unlogged tables copied anew that a server has emptied: it does so
// when it recovers from a crash, without an event, while the position stands.
// An unlogged row of its own tells of it. A crash ends all sessions, so it is
// enough to look when a worker begins to read: nothing that the other side has
// got since was committed by this worker with an empty table in mind, and a
// copy begins at the start in whatever state the table is.
func (r *run) emptied(ctx context.Context) error {
	there, err := set.Witness(ctx, r.prov)
	if err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	here, err := set.Witness(ctx, r.sub)
	if err != nil {
		return fmt.Errorf("subscriber: %w", err)
	}
	var thereWas, hereWas *string
	err = r.sub.QueryRow(ctx, `select provider_witness, subscriber_witness from skytools.worker_state
		where queue_name = $1 and consumer_name = $2`, r.Queue, r.ConsumerName()).Scan(&thereWas, &hereWas)
	if err != nil {
		return fmt.Errorf("subscriber: %w", err)
	}
	type loss struct {
		table ident.Name
		side  string
	}
	var lost []loss
	for _, side := range []struct {
		name string
		conn *pgx.Conn
		was  *string
		is   string
	}{{"provider", r.prov, thereWas, there}, {"subscriber", r.sub, hereWas, here}} {
		if side.was == nil || *side.was == side.is {
			continue
		}
		list, err := r.unlogged(ctx, side.conn)
		if err != nil {
			return fmt.Errorf("%s: %w", side.name, err)
		}
		for _, t := range list {
			lost = append(lost, loss{t.Name, side.name})
		}
	}
	if thereWas != nil && hereWas != nil && *thereWas == there && *hereWas == here {
		return nil
	}
	err = r.fence.Write(ctx, r.sub, failpoint.Emptied, func(tx pgx.Tx) error {
		for _, l := range lost {
			if err := set.CopyAnew(ctx, tx, r.Queue, l.table); err != nil {
				return err
			}
		}
		_, err := tx.Exec(ctx, `update skytools.worker_state set provider_witness = $3, subscriber_witness = $4
			where queue_name = $1 and consumer_name = $2`, r.Queue, r.ConsumerName(), there, here)
		return err
	})
	if err != nil {
		return fmt.Errorf("subscriber: %w", err)
	}
	for _, l := range lost {
		r.Logger().Warn("The server has emptied an unlogged table: copying it anew", "side", l.side, "table", l.table.String())
	}
	return r.tables.load(ctx, r.sub)
}

// unlogged lists the tables replicated here that are unlogged at conn's side.
func (r *run) unlogged(ctx context.Context, conn *pgx.Conn) ([]set.Table, error) {
	list, err := set.Tables(ctx, r.sub, r.Queue)
	if err != nil {
		return nil, err
	}
	there, err := set.Tables(ctx, conn, r.Queue)
	if err != nil {
		return nil, err
	}
	names := map[ident.Name]ident.Name{}
	for _, t := range there {
		names[t.Name] = t.Dest
	}
	var failed error
	list = slices.DeleteFunc(list, func(t set.Table) bool {
		if !t.Local || failed != nil {
			return true
		}
		var is bool
		is, failed = set.Unlogged(ctx, conn, names[t.Name])
		return !is
	})
	return list, failed
}
