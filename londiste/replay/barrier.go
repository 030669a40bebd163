package replay

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

// exportKeep is how long a snapshot waits to be fetched. Who asked for it looks
// for it many times a second, or is dead.
const exportKeep = 30 * time.Second

// export is a snapshot of the subscriber as it is at a tick, for a comparison,
// held open by a session of its own.
type export struct {
	conn  *pgx.Conn
	tick  pgq.TickID
	until time.Time
}

// atBarrier exports a snapshot of the subscriber if a comparison waits for the
// position, before anything more is applied. Work does not stand still for it,
// and does not end for its failure: the comparison asks again.
func (r *run) atBarrier(ctx context.Context) error {
	if b := r.position.Barrier; b.Kind != set.BarrierKind || !b.Concerns(r.ConsumerName()) {
		return nil
	}
	conn, id, err := r.exportSnapshot(ctx)
	if err != nil {
		r.Logger().Warn("Cannot export a snapshot for a comparison", "tick", int64(r.position.ID), "error", err)
		return nil
	}
	r.exports = append(r.exports, export{conn, r.position.ID, time.Now().Add(exportKeep)})
	err = r.fence.Write(ctx, r.sub, failpoint.Export, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			insert into skytools.barrier_snapshot (queue_name, consumer_name, tick_id, snapshot_id, until)
			values ($1, $2, $3, $4, clock_timestamp() + $5)
			on conflict (queue_name, consumer_name, tick_id) do update
			set snapshot_id = excluded.snapshot_id, until = excluded.until`,
			r.Queue, r.ConsumerName(), int64(r.position.ID), id, exportKeep)
		return err
	})
	if err != nil {
		return fmt.Errorf("snapshot at tick %d: %w", r.position.ID, err)
	}
	r.Logger().Debug("Snapshot exported for a comparison", "tick", int64(r.position.ID), "snapshot", id)
	return nil
}

func (r *run) exportSnapshot(ctx context.Context) (*pgx.Conn, string, error) {
	conn, err := r.ConnectSubscriber(ctx)
	if err != nil {
		return nil, "", err
	}
	// A worker that is stopped must not hold the snapshot for ever.
	_, err = conn.Exec(ctx, fmt.Sprintf(`set idle_in_transaction_session_timeout = '%d s';
		begin isolation level repeatable read read only`, int(exportKeep.Seconds())))
	var id string
	if err == nil {
		err = conn.QueryRow(ctx, `select pg_export_snapshot()`).Scan(&id)
	}
	if err != nil {
		set.CloseConn(&conn)
	}
	return conn, id, err
}

// tendExports ends the sessions whose snapshots were fetched or have waited
// long enough.
func (r *run) tendExports(ctx context.Context) error {
	if len(r.exports) == 0 {
		return nil
	}
	var wanted []int64
	rows, err := r.sub.Query(ctx, `select tick_id from skytools.barrier_snapshot
		where queue_name = $1 and consumer_name = $2`, r.Queue, r.ConsumerName())
	if err == nil {
		wanted, err = pgx.CollectRows(rows, pgx.RowTo[int64])
	}
	if err != nil {
		return fmt.Errorf("snapshots of comparisons: %w", err)
	}
	there := map[int64]bool{}
	for _, tick := range wanted {
		there[tick] = true
	}
	var kept []export
	late := false
	for _, e := range r.exports {
		old := time.Now().After(e.until)
		if there[int64(e.tick)] && !old {
			kept = append(kept, e)
			continue
		}
		late = late || old
		set.CloseConn(&e.conn)
	}
	r.exports = kept
	if late {
		return r.forgetExports(ctx)
	}
	return nil
}

// forgetExports deletes the rows of snapshots that nobody holds open: of a
// worker before this one, and such as were not fetched.
func (r *run) forgetExports(ctx context.Context) error {
	kept := []int64{}
	for _, e := range r.exports {
		kept = append(kept, int64(e.tick))
	}
	return r.fence.Write(ctx, r.sub, failpoint.Export, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `delete from skytools.barrier_snapshot
			where queue_name = $1 and consumer_name = $2 and tick_id <> all ($3)`, r.Queue, r.ConsumerName(), kept)
		return err
	})
}

func (r *run) closeExports() {
	for i := range r.exports {
		set.CloseConn(&r.exports[i].conn)
	}
	r.exports = nil
}
