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
//
// Members of a cooperative consumer share one position. Each claims the part
// that its batch is, in the target and in the transaction that writes: of a
// batch that was taken over while its first member still worked on it, one of
// the two is written, and the other member passes it over. The target's
// transactions have to be read committed. A target that was restored, or a
// consumer that was moved back to the middle of a batch, is [ErrPositionLost].
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
	return fmt.Sprintf(positionSQL, name.SQL()), nil
}

const positionSQL = `create table if not exists %s (
    queue_name text not null,
    consumer_name text not null,
    tick_id bigint not null, -- all events that this tick sees are done
    tick_time timestamptz,
    tick_snapshot text not null,
    batch_id bigint, -- that ended there
    wishes jsonb, -- of that batch, for single events; the queue may not know yet
    updated timestamptz not null default now(),
    primary key (queue_name, consumer_name)
)`

// MemberPositionSQL makes the table, named after that one, in which members of
// cooperative consumers keep what they have done above the position.
func MemberPositionSQL(table string) (string, error) {
	name, err := ident.Parse(table)
	if err != nil {
		return "", fmt.Errorf("position table: %w", err)
	}
	return fmt.Sprintf(memberSQL, membersOf(name).SQL()), nil
}

func membersOf(table ident.Name) ident.Name {
	return ident.Name{Schema: table.Schema, Name: table.Name + "_member"}
}

// position is a consumer's row in the position table.
type position struct {
	consumer *Consumer
	target   Beginner
	table    ident.Name
	members  ident.Name // the table of what members have done
	there    bool       // the tables are
	settled  bool       // nothing is left of members that the consumer had
}

func newPosition(c *Consumer, target Beginner) (*position, error) {
	text := c.PositionTable
	if text == "" {
		text = PositionTable
	}
	table, err := ident.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("position table: %w", err)
	}
	return &position{consumer: c, target: target, table: table, members: membersOf(table)}, nil
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
// The row, or the claim of a member, is locked before anything is decided and
// until the commit, so that a second process, or one that slept, finds the
// batch done.
func (p *position) deliver(ctx context.Context, b *Batch, handle TxHandler) error {
	if err := p.ensure(ctx); err != nil {
		return fmt.Errorf("position table %s: %w", p.table, err)
	}
	var open openings
	if b.member {
		var err error
		if open, err = p.openings(ctx, b); err != nil {
			return fmt.Errorf("queue %s, open batches of consumer %s: %w", b.Queue, p.consumer.Name, err)
		}
	}
	tx, err := p.target.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin at the target: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // the error that matters is returned
	share := &sharing{position: p, tx: tx, b: b, open: open}
	todo, move := false, share.move
	if b.member {
		todo, err = share.claim(ctx)
	} else {
		todo, err = p.take(ctx, tx, b)
		move = func(ctx context.Context) error { return p.move(ctx, tx, b) }
	}
	if err != nil {
		return fmt.Errorf("position in %s: %w", p.table, err)
	}
	if !todo {
		return nil
	}
	if err := handle(ctx, handlerTx{tx}, b); err != nil {
		return err
	}
	if err := b.whole(); err != nil {
		return err
	}
	if err := move(ctx); err != nil {
		return fmt.Errorf("position in %s: %w", p.table, err)
	}
	err = failpoint.Commit(failpoint.Deliver, func() error { return tx.Commit(ctx) })
	if err != nil {
		return fmt.Errorf("commit at the target: %w", err)
	}
	p.settled = true
	return nil
}

// take locks the row and compares the batch with it.
func (p *position) take(ctx context.Context, tx pgx.Tx, b *Batch) (todo bool, err error) {
	at, err := p.lock(ctx, tx, b)
	if err == nil && !p.settled {
		if err = p.settle(ctx, tx, b); err == nil {
			at, err = p.lock(ctx, tx, b)
		}
	}
	if err != nil {
		return false, err
	}
	return at.match(ctx, b)
}

// ensure makes the tables unless they are there. It may not be allowed to, so
// it looks first.
func (p *position) ensure(ctx context.Context) error {
	if p.there {
		return nil
	}
	statements := []string{fmt.Sprintf(positionSQL, p.table.SQL())}
	if p.consumer.Member != "" {
		statements = append(statements, fmt.Sprintf(memberSQL, p.members.SQL()))
	}
	tx, err := p.target.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // the error that matters is returned
	err = tx.QueryRow(ctx, `select to_regclass($1) is not null and (to_regclass($2) is not null or not $3)`,
		p.table.SQL(), p.members.SQL(), p.consumer.Member != "").Scan(&p.there)
	if err != nil || p.there {
		return err
	}
	for _, sql := range statements {
		if _, err = tx.Exec(ctx, sql); err != nil {
			break
		}
	}
	if err == nil {
		err = commitPosition(ctx, tx)
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42501" {
		return loop.Permanent(hint.With(err, "have somebody who may run what pgq.PositionSQL and, for members, pgq.MemberPositionSQL return, and grant select, insert, update, delete on the tables"))
	}
	p.there = err == nil
	return err
}

func commitPosition(ctx context.Context, tx pgx.Tx) error {
	return failpoint.Commit(failpoint.Position, func() error { return tx.Commit(ctx) })
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
	asked, err := b.wishes.json()
	if err != nil {
		return err
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
