package pgq

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Aside is how many events of a queue a consumer has put aside.
type Aside struct {
	Queue    string `json:"queue_name"`
	Consumer string `json:"consumer_name"`
	Retries  int64  `json:"retry_events"` // to come again
	Dead     int64  `json:"dead_events"`  // given up
}

// EventsAside lists the consumers that have put events aside, by queue and name.
// What the role may not read counts as none, and so does what a database without
// schema skytools does not have.
func EventsAside(ctx context.Context, conn *pgx.Conn) ([]Aside, error) {
	var retries, dead bool
	err := conn.QueryRow(ctx, `select coalesce(has_table_privilege(to_regclass('pgq.retry_queue'), 'select'), false),
		coalesce(has_table_privilege(to_regclass('skytools.dead_event'), 'select'), false)`).Scan(&retries, &dead)
	if err != nil {
		return nil, fmt.Errorf("look for retries and dead letters: %w", err)
	}
	sql := `select null::text as queue, null::text as consumer, 0::bigint as retries, 0::bigint as dead where false`
	if retries {
		sql += ` union all select q.queue_name, coalesce(c.co_name, ''), r.n, 0
			from (select ev_owner, ev_queue, count(*) as n from pgq.retry_queue group by 1, 2) r ` + ownerOf
	}
	if dead {
		sql += ` union all select q.queue_name, d.dead_consumer, 0, d.n
			from (select dead_queue, dead_consumer, count(*) as n from skytools.dead_event group by 1, 2) d
				join pgq.queue q on q.queue_id = d.dead_queue`
	}
	rows, err := conn.Query(ctx, `select queue, consumer, sum(retries)::bigint, sum(dead)::bigint from (`+sql+`) a group by 1, 2 order by 1, 2`)
	if err != nil {
		return nil, fmt.Errorf("count retries and dead letters: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Aside])
	if err != nil {
		return nil, fmt.Errorf("count retries and dead letters: %w", err)
	}
	return list, nil
}
