package pgq

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
)

// DeadEvent is an event that its consumer gave up: a dead letter.
type DeadEvent struct {
	ID       int64 // of the dead letter
	Queue    string
	Consumer string
	Time     time.Time // when it was given up
	Reason   string
	Event    Event
}

// DeadEvents lists dead letters, the oldest first; "" means any queue or
// consumer, limit 0 all of them.
func DeadEvents(ctx context.Context, conn DB, queue, consumer string, limit int) ([]DeadEvent, error) {
	c, _, err := mayRead.callsOn(ctx, conn, queue)
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", lacking(err))
	}
	rows, err := conn.Query(ctx, c.sql(`select dead_id, queue_name, consumer_name, dead_time, coalesce(dead_reason, ''),
			ev_id, ev_time, coalesce(ev_retry, 0), coalesce(ev_type, ''), ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4
		from skytools.dead_events(nullif($1, ''), nullif($2, ''), nullif($3, 0)) order by dead_id`), queue, consumer, limit)
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", lacking(err))
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d DeadEvent, err error) {
		ev := &d.Event
		err = row.Scan(&d.ID, &d.Queue, &d.Consumer, &d.Time, &d.Reason, &ev.ID, &ev.Time, &ev.Retry, &ev.Type,
			&ev.Data, &ev.Extra1, &ev.Extra2, &ev.Extra3, &ev.Extra4)
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("list dead letters: %w", lacking(err))
	}
	return list, nil
}

// ReplayDead gives dead letters back to their consumer, all or those with
// these numbers, and returns how many. Their attempts count anew.
func ReplayDead(ctx context.Context, conn DB, queue, consumer string, ids []int64) (int64, error) {
	n, err := changeAs(ctx, conn, `select skytools.dead_replay($1, $2, $3)`, queue, consumer, ids)
	if err != nil {
		return 0, fmt.Errorf("replay dead letters of %s on queue %s: %w", consumer, queue, lacking(err))
	}
	return n, nil
}

// PurgeDead deletes dead letters of a consumer that are older than that, and
// returns how many. They are lost.
func PurgeDead(ctx context.Context, conn DB, queue, consumer string, olderThan time.Duration) (int64, error) {
	n, err := changeAs(ctx, conn, `select skytools.dead_purge($1, $2, $3)`, queue, consumer, olderThan)
	if err != nil {
		return 0, fmt.Errorf("purge dead letters of %s on queue %s: %w", consumer, queue, lacking(err))
	}
	return n, nil
}

// lacking says what to do where schema skytools is not installed.
func lacking(err error) error {
	if err = known(err); errors.Is(err, ErrNotInstalled) {
		err = hint.With(err, "dead letters stand in schema skytools: run \"pgqadm INI install\"")
	}
	return err
}
