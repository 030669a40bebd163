package replay

import (
	"context"
	"fmt"
	"time"

	"github.com/skytools-go/skytools/internal/apply"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

// open gets hold of both sides and begins to read. What is at hand already is
// kept. errMissing says what is still to be waited for.
func (r *run) open(ctx context.Context) error {
	for _, get := range []func(context.Context) error{
		r.openSubscriber, r.openProvider, r.openLease, r.openQueue,
	} {
		if err := get(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) openSubscriber(ctx context.Context) error {
	if r.sub == nil {
		conn, err := r.ConnectSubscriber(ctx)
		if err != nil {
			return err
		}
		replica, err := set.PrepareSubscriber(ctx, conn, !r.noReplica)
		if err != nil {
			set.CloseConn(&conn)
			return fmt.Errorf("subscriber: %w", err)
		}
		if !replica && !r.noReplica {
			r.noReplica = true
			r.Logger().Info("session_replication_role may not be set: triggers and foreign keys stay in force here")
		}
		r.sub = conn
	}
	var installed, node bool
	err := r.sub.QueryRow(ctx, installedSQL, "pgq_node.node_info", "londiste.table_info", "skytools.witness").Scan(&installed)
	if err == nil && installed {
		err = r.sub.QueryRow(ctx, `select exists (select from pgq_node.node_info where queue_name = $1)`, r.Queue).Scan(&node)
	}
	switch {
	case err != nil:
		return fmt.Errorf("subscriber: %w", err)
	case !installed:
		return missing("the subscriber is not installed yet (subscriber install)")
	case !node:
		return missing("the subscriber is no node of %s yet (subscriber install)", r.Queue)
	}
	if r.me, err = set.Identify(ctx, r.sub); err != nil {
		return fmt.Errorf("subscriber: %w", err)
	}
	return nil
}

// installedSQL tells whether three relations exist.
const installedSQL = `select to_regclass($1) is not null and to_regclass($2) is not null and to_regclass($3) is not null`

func (r *run) openProvider(ctx context.Context) error {
	if r.prov == nil {
		conn, err := r.ConnectProvider(ctx)
		if err != nil {
			return err
		}
		if err := set.PrepareProvider(ctx, conn); err != nil {
			set.CloseConn(&conn)
			return fmt.Errorf("provider: %w", err)
		}
		r.prov, r.reader = conn, pgq.NewReader(conn, r.Queue)
	}
	var installed, queue bool
	err := r.prov.QueryRow(ctx, installedSQL, "pgq.queue", "londiste.table_info", "skytools.witness").Scan(&installed)
	if err == nil && installed {
		err = r.prov.QueryRow(ctx, `select exists (select from pgq.queue where queue_name = $1)`, r.Queue).Scan(&queue)
	}
	switch {
	case err != nil:
		return fmt.Errorf("provider: %w", err)
	case !installed:
		return missing("the provider is not installed yet (provider install)")
	case !queue:
		return missing("the provider has no queue %s yet (provider install)", r.Queue)
	}
	return nil
}

// openLease takes the lease and the claim, or makes sure that both are still
// this worker's.
func (r *run) openLease(ctx context.Context) error {
	locked, err := r.fence.LockLease(ctx, r.sub)
	if err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	if r.fence.Epoch != 0 {
		return r.keepLease(ctx)
	}
	var before string
	if !locked {
		var silent bool
		if before, silent, err = r.fence.Holder(ctx, r.sub); err != nil {
			return fmt.Errorf("lease: %w", err)
		}
		if !silent {
			return missing("another worker replicates to %s: %s", r.Job, before)
		}
	}
	old, err := r.fence.EpochOf(ctx, r.sub)
	if err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	mine := r.fence
	for mine.Epoch = old + 1; ; mine.Epoch++ {
		onRecord, err := set.Claim(ctx, r.prov, &r.Pair, mine.Consumer, r.me, mine.Epoch, false)
		if err != nil {
			return err
		}
		if onRecord == mine.Epoch {
			break
		}
		mine.Epoch = onRecord
	}
	taken, err := mine.Take(ctx, r.sub, old, !locked)
	if err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	switch {
	case !taken && !locked:
		return missing("another worker replicates to %s: %s, which gives no sign of life but has a transaction open (ends with its process, or its session)", r.Job, before)
	case !taken:
		return missing("another worker replicates to %s", r.Job)
	case !locked:
		r.Logger().Warn("Taken over from a worker that gives no sign of life", "holder", before)
	}
	r.fence = mine
	r.Logger().Info("Lease taken", "epoch", mine.Epoch)
	return nil
}

func (r *run) keepLease(ctx context.Context) error {
	epoch, err := r.fence.EpochOf(ctx, r.sub)
	if err != nil {
		return fmt.Errorf("lease: %w", err)
	}
	if epoch != r.fence.Epoch {
		return set.ErrFenced
	}
	onRecord, err := set.Claim(ctx, r.prov, &r.Pair, r.fence.Consumer, r.me, epoch, false)
	if err != nil {
		return err
	}
	if onRecord != epoch {
		return fmt.Errorf("claim at the provider: %w", set.ErrFenced)
	}
	return nil
}

// openQueue finds the position and begins to read from there.
func (r *run) openQueue(ctx context.Context) error {
	if r.tables == nil {
		r.tables = newRegistry(r.Queue, set.OK)
	}
	ahead, err := r.rowsAhead(ctx)
	if err != nil {
		return err
	}
	if r.applier == nil || (ahead == nil) != (r.ahead == nil) {
		r.ahead = ahead
		r.newApplier()
	}
	if err := r.tables.load(ctx, r.sub); err != nil {
		return fmt.Errorf("subscriber: %w", err)
	}
	provider, err := set.Identify(ctx, r.prov)
	if err != nil {
		return fmt.Errorf("provider: %w", err)
	}
	if r.position, err = r.findPosition(ctx, provider); err != nil {
		return err
	}
	if err := r.emptied(ctx); err != nil {
		return err
	}
	if err := r.flushed(ctx); err != nil {
		return err
	}
	r.settled, r.settledAt = r.position.ID, time.Now()
	if err := r.forgetExports(ctx); err != nil {
		return err
	}
	if err := r.atBarrier(ctx); err != nil {
		return err
	}
	r.acked, r.ackedAt = 0, time.Time{}
	r.mirror = newMirror()
	if err := r.sweep(ctx); err != nil {
		return err
	}
	conn, err := r.ConnectProvider(ctx)
	if err != nil {
		return err
	}
	if err := set.PrepareProvider(ctx, conn); err != nil {
		set.CloseConn(&conn)
		return fmt.Errorf("provider: %w", err)
	}
	r.listen = newListener(&r.Pair, r.bell)
	reader := pgq.NewReader(conn, r.Queue)
	reader.AsFound = !r.failing // else what fails for its order would do so for ever
	r.fetch = &fetcher{
		conn: conn, reader: reader, merge: r.mergeEvents(),
		budget: r.fetchAhead(), idle: r.idle(), wake: make(chan struct{}, 1), ring: r.ring,
	}
	r.bell.subscribe(r.fetch.wake)
	r.listen.start(ctx)
	r.fetch.start(ctx, r.position)
	r.Logger().Info("Replicating", "queue", r.Queue, "consumer", r.ConsumerName(), "tick", int64(r.position.ID))
	return nil
}

// newApplier makes the applier: of rows that are newer than the position none
// is expected as events tell it.
func (r *run) newApplier() {
	r.applier = apply.New(r.tables, apply.Options{
		StopOnConflict: r.StopOnConflict && r.ahead == nil, CatchUp: r.ahead != nil,
	})
}
