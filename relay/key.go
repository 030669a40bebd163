package relay

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
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

// OfGroup is the key of events that are sent together, in the order of their
// ids: those of the first and the last, and where some between are not among
// them a hash of all. Events that come again do so in other groups, and no
// other group may have this one's key.
func (k Keys) OfGroup(events []pgq.Event) string {
	first, last := events[0].ID, events[len(events)-1].ID
	key := fmt.Sprintf("%s-%d", k.Of(first), last)
	if int(last-first)+1 == len(events) {
		return key
	}
	hash := sha256.New()
	for _, ev := range events {
		hash.Write(binary.BigEndian.AppendUint64(nil, uint64(ev.ID)))
	}
	return fmt.Sprintf("%s-%x", key, hash.Sum(nil)[:8])
}
