package pgq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/loop"
)

// Beginner begins transactions in the database that a consumer writes to: a
// pgxpool.Pool, or a [*pgx.Conn] where its loss may stop the consumer for good.
type Beginner interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// TxHandler is a [Handler] that writes what comes of the batch by tx. Commit
// and Rollback of tx are the consumer's; savepoints are the handler's.
type TxHandler func(ctx context.Context, tx pgx.Tx, batch *Batch) error

// RunTx is [Consumer.Run] that does each event exactly once. The position, the
// tick up to which the batches are done, stands in the database that the
// handler writes to, and is moved by the transaction in which it writes: what
// came of a batch and the position past it are there together or not at all.
// Wherever the process or a server dies, the batch is either done again from
// nothing or known to be done.
//
// The transaction is open while the batch is read. Where target and queue are
// reached through one pool, it needs a session more than it has such consumers.
//
// The queue is told afterwards. What the handler asked for single events
// ([Batch.Retry], [Batch.Dead]) is kept with the position until then, so that
// it is neither forgotten nor asked twice; an event that comes again is
// delivered exactly once again.
//
// The position counts, not the queue's idea of it. A batch that begins before
// the position is read from there; one that ends before it is passed over. If
// the target was restored from a backup, what it lost is read again as long as
// the queue has the tick at which it stands. With the position stand the time and snapshot of its tick,
// so that another queue of the same name, or one that was restored to an
// earlier state, is noticed: RunTx returns [ErrPositionLost] and changes
// nothing.
func (c *Consumer) RunTx(ctx context.Context, target Beginner, handle TxHandler) error {
	p, err := newPosition(c, target)
	if err != nil {
		return err
	}
	return c.run(ctx, func(ctx context.Context, b *Batch) error { return p.deliver(ctx, b, handle) })
}

// PositionTable is where [Consumer.RunTx] keeps its position unless the
// consumer names another table.
const PositionTable = "public.pgq_position"

// PositionSQL makes that table. RunTx does so where it is missing; whoever runs
// a consumer without the right to create tables runs this before.
func PositionSQL(table string) (string, error) {
	name, err := ident.Parse(table)
	if err != nil {
		return "", fmt.Errorf("position table: %w", err)
	}
	return fmt.Sprintf(`create table if not exists %s (
    queue_name text not null,
    consumer_name text not null,
    tick_id bigint not null, -- all events that this tick sees are done
    tick_time timestamptz,
    tick_snapshot text not null,
    batch_id bigint, -- that ended there
    wishes jsonb, -- of that batch, for single events; the queue may not know yet
    updated timestamptz not null default now(),
    primary key (queue_name, consumer_name)
)`, name.SQL()), nil
}

// position is a consumer's row in the position table.
type position struct {
	consumer *Consumer
	target   Beginner
	table    ident.Name
	create   string
	there    bool // the table is
}

func newPosition(c *Consumer, target Beginner) (*position, error) {
	if c.Member != "" {
		return nil, hint.With(errors.New("batches of a cooperative consumer's members have no common position"),
			"in the queue's own database, end the batch by skytools.coop_finish_batch in the transaction that writes")
	}
	p := &position{consumer: c, target: target}
	text := c.PositionTable
	if text == "" {
		text = PositionTable
	}
	var err error
	if p.create, err = PositionSQL(text); err == nil {
		p.table, err = ident.Parse(text)
	}
	return p, err
}

// stand is what the row tells.
type stand struct {
	tick     TickID
	snapshot string
	batch    BatchID
	wishes   wishes
}

// deliver has the handler write the batch, or what of it is not done yet.
//
// The row is locked before anything is decided and until the commit, so that a
// second process, or one that slept, finds the batch done.
func (p *position) deliver(ctx context.Context, b *Batch, handle TxHandler) error {
	if err := p.ensure(ctx); err != nil {
		return fmt.Errorf("position table %s: %w", p.table, err)
	}
	tx, err := p.target.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin at the target: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // the error that matters is returned
	at, err := p.lock(ctx, tx, b)
	if err != nil {
		return fmt.Errorf("position in %s: %w", p.table, err)
	}
	todo, err := at.match(ctx, b)
	if err != nil || !todo {
		return err
	}
	if err := handle(ctx, handlerTx{tx}, b); err != nil {
		return err
	}
	if err := b.whole(); err != nil {
		return err
	}
	if err := p.move(ctx, tx, b); err != nil {
		return fmt.Errorf("position in %s: %w", p.table, err)
	}
	err = failpoint.Commit(failpoint.Deliver, func() error { return tx.Commit(ctx) })
	if err != nil {
		return fmt.Errorf("commit at the target: %w", err)
	}
	return nil
}

// ensure makes the table unless it is there. It may not be allowed to, so it
// looks first.
func (p *position) ensure(ctx context.Context) error {
	if p.there {
		return nil
	}
	tx, err := p.target.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // the error that matters is returned
	if err := tx.QueryRow(ctx, `select to_regclass($1) is not null`, p.table.SQL()).Scan(&p.there); err != nil || p.there {
		return err
	}
	if _, err = tx.Exec(ctx, p.create); err == nil {
		err = failpoint.Commit(failpoint.Position, func() error { return tx.Commit(ctx) })
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42501" {
		return loop.Permanent(hint.With(err, "have somebody who may run what pgq.PositionSQL returns, and grant select, insert, update on the table"))
	}
	p.there = err == nil
	return err
}

// lock returns where the target stands. Where it has never stood it begins
// where the queue has the consumer.
func (p *position) lock(ctx context.Context, tx pgx.Tx, b *Batch) (stand, error) {
	_, err := tx.Exec(ctx, `insert into `+p.table.SQL()+` (queue_name, consumer_name, tick_id, tick_time, tick_snapshot)
		values ($1, $2, $3, $4, $5) on conflict do nothing`,
		p.consumer.Queue, p.consumer.Name, int64(b.Prev.ID), b.Prev.Time, b.Prev.Snapshot.String())
	if err != nil {
		return stand{}, err
	}
	var at stand
	var batch *int64
	var asked *string
	err = tx.QueryRow(ctx, `select tick_id, tick_snapshot, batch_id, wishes::text from `+p.table.SQL()+`
		where queue_name = $1 and consumer_name = $2 for update`, p.consumer.Queue, p.consumer.Name).
		Scan(&at.tick, &at.snapshot, &batch, &asked)
	if err == nil && asked != nil {
		err = json.Unmarshal([]byte(*asked), &at.wishes)
	}
	if batch != nil {
		at.batch = BatchID(*batch)
	}
	return at, err
}

// match compares the batch with where the target stands, and tells whether
// there is something to do. What is done already it takes off the batch; of a
// batch that is all done it takes up what was asked for its events.
func (at stand) match(ctx context.Context, b *Batch) (todo bool, err error) {
	tick, err := at.find(ctx, b)
	if err != nil {
		return false, err
	}
	if tick.Snapshot.String() != at.snapshot {
		return false, at.lost(b, "is not the one that the queue has under this number: %s there, %s here",
			tick.Snapshot, at.snapshot)
	}
	if tick.ID >= b.Cur.ID {
		if at.batch == b.ID {
			b.wishes = at.wishes
		}
		return false, nil
	}
	b.Prev = tick
	return true, nil
}

// find returns the queue's tick at which the target stands. As long as the
// queue has it nothing after it is gone.
func (at stand) find(ctx context.Context, b *Batch) (Tick, error) {
	switch at.tick {
	case b.Prev.ID:
		return b.Prev, nil
	case b.Cur.ID:
		return b.Cur, nil
	}
	tick, err := b.reader.Tick(ctx, at.tick)
	if errors.Is(err, ErrTickNotFound) {
		err = at.lost(b, "is not in the queue, which has the consumer at tick %d", b.Prev.ID)
	}
	return tick, err
}

// lost says that the target and the queue do not belong together any more.
func (at stand) lost(b *Batch, format string, args ...any) error {
	return loop.Permanent(hint.With(fmt.Errorf("queue %s: %w: tick %d of the target "+format,
		append([]any{b.Queue, ErrPositionLost, at.tick}, args...)...),
		"was one of the databases restored, or the queue made anew? bring the target up to date by hand, then delete the consumer's row from the position table"))
}

// move writes the batch's end into the row that lock holds.
func (p *position) move(ctx context.Context, tx pgx.Tx, b *Batch) error {
	var asked *string
	if !b.wishes.none() {
		text, err := json.Marshal(&b.wishes)
		if err != nil {
			return err
		}
		s := string(text)
		asked = &s
	}
	tag, err := tx.Exec(ctx, `update `+p.table.SQL()+`
		set tick_id = $3, tick_time = $4, tick_snapshot = $5, batch_id = $6, wishes = $7::jsonb, updated = now()
		where queue_name = $1 and consumer_name = $2`, p.consumer.Queue, p.consumer.Name,
		int64(b.Cur.ID), b.Cur.Time, b.Cur.Snapshot.String(), int64(b.ID), asked)
	if err == nil && tag.RowsAffected() != 1 {
		err = errors.New("the consumer's row is gone")
	}
	return err
}

// handlerTx keeps the end of the transaction from the handler: rows committed
// without the position would come twice.
type handlerTx struct{ pgx.Tx }

var errNotYours = errors.New("the consumer itself ends the transaction; return nil for commit, an error for rollback")

func (handlerTx) Commit(context.Context) error   { return errNotYours }
func (handlerTx) Rollback(context.Context) error { return errNotYours }
