package pgq

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
)

// ErrNoPosition: the target has no position of the consumer.
var ErrNoPosition = errors.New("no position in the target")

// Rewind moves the consumer at the queue, over conn, to the position that
// [Consumer.RunTx] has in the target, and returns that tick. RunTx passes over
// what is done by itself; this is for who wants the queue to know, so that it
// keeps the events after the position. A queue that has not the position's
// tick, or another one under its number, has [ErrPositionLost].
func (c *Consumer) Rewind(ctx context.Context, conn *pgx.Conn, target Beginner) (TickID, error) {
	p, err := newPosition(c, target)
	if err != nil {
		return 0, err
	}
	tx, err := target.Begin(ctx)
	if err != nil {
		return 0, fmt.Errorf("begin at the target: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // it only read: the error does not matter
	var at stand
	there, err := p.exists(ctx, tx)
	if err == nil && there {
		err = tx.QueryRow(ctx, `select tick_id, tick_snapshot from `+p.table.SQL()+` where queue_name = $1 and consumer_name = $2`,
			c.Queue, c.Name).Scan(&at.tick, &at.snapshot)
		there = !errors.Is(err, pgx.ErrNoRows)
	}
	switch {
	case !there:
		return 0, fmt.Errorf("consumer %s of queue %s: %w", c.Name, c.Queue, ErrNoPosition)
	case err != nil:
		return 0, fmt.Errorf("position in %s: %w", p.table, err)
	}
	tick, err := NewReader(conn, c.Queue).Tick(ctx, at.tick)
	if errors.Is(err, ErrTickNotFound) || err == nil && tick.Snapshot.String() != at.snapshot {
		return 0, hint.With(fmt.Errorf("queue %s: %w: it has not tick %d of the target", c.Queue, ErrPositionLost, at.tick),
			"was one of the databases restored, or the queue made anew?")
	} else if err != nil {
		return 0, err
	}
	_, err = RegisterAt(ctx, conn, c.Queue, c.Name, at.tick)
	return at.tick, err
}

// Reset forgets the position of [Consumer.RunTx] in the target, and tells
// whether there was one: the next run begins where the queue has the consumer.
func (c *Consumer) Reset(ctx context.Context, target Beginner) (bool, error) {
	p, err := newPosition(c, target)
	if err != nil {
		return false, err
	}
	tx, err := target.Begin(ctx)
	if err != nil {
		return false, fmt.Errorf("begin at the target: %w", err)
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // the error that matters is returned
	there, err := p.exists(ctx, tx)
	if err != nil || !there {
		return false, err
	}
	tag, err := tx.Exec(ctx, `delete from `+p.table.SQL()+` where queue_name = $1 and consumer_name = $2`, c.Queue, c.Name)
	if err == nil {
		err = commitPosition(ctx, tx)
	}
	if err != nil {
		return false, fmt.Errorf("position in %s: %w", p.table, err)
	}
	return tag.RowsAffected() > 0, nil
}

func (p *position) exists(ctx context.Context, tx pgx.Tx) (there bool, err error) {
	err = tx.QueryRow(ctx, `select to_regclass($1) is not null`, p.table.SQL()).Scan(&there)
	return there, err
}
