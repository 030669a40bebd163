package relay

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/pgq"
)

// Keys makes the idempotency keys of one queue's events.
type Keys struct {
	queue string
	id    int
}

// ReadKeys reads what tells the queue from one of the same name.
func ReadKeys(ctx context.Context, conn *pgx.Conn, queue string) (Keys, error) {
	k := Keys{queue: queue}
	err := conn.QueryRow(ctx, `select queue_id from pgq.queue where queue_name = $1`, queue).Scan(&k.id)
	if errors.Is(err, pgx.ErrNoRows) {
		err = pgq.ErrQueueNotFound
	}
	if err != nil {
		return k, fmt.Errorf("queue %s: %w", queue, err)
	}
	return k, nil
}

// Of is an event's key: queue, the queue's number, the event's.
func (k Keys) Of(id pgq.EventID) string { return fmt.Sprintf("%s/%d/%d", k.queue, k.id, id) }
