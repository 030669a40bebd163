package londiste

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

// Standing is what one look at a subscriber tells: its tables are the
// provider's as of Position, but for those that are parked or being copied.
type Standing struct {
	Position pgq.TickID
	TickTime time.Time // of that tick, by the provider's clock; zero: not known
	Provider string    // system identifier of the server it was read from; "": not known
	Parked   []string  // tables that the worker leaves aside: they are behind farther
	Copying  []string  // tables whose rows, or a part of them, have still to come
}

const standingSQL = `
	with parked as (
	    select p.table_name from skytools.parked_table p
	    where p.queue_name = $1 and (p.error <> '' or p.given_up is not null))
	select s.last_tick_id, w.last_tick_time, coalesce(w.provider_system_identifier, ''),
	    array(select table_name from parked order by 1),
	    array(
	        select t.table_name from londiste.table_info t
	        where t.queue_name = $1 and t.local and (t.merge_state is distinct from 'ok' or exists (
	            select from skytools.resync_part r
	            where r.queue_name = $1 and r.table_name = t.table_name and r.tick_id is null) or exists (
	            select from skytools.parked_table p where p.queue_name = $1 and p.table_name = t.table_name))
	        except select table_name from parked order by 1)
	from pgq_node.local_state s left join skytools.worker_state w using (queue_name, consumer_name)
	where s.queue_name = $1 and s.consumer_name = $2`

// ReadStanding looks at how a subscriber stands, in one snapshot. A member of
// pgq_reader may.
func ReadStanding(ctx context.Context, conn *pgx.Conn, queue, consumer string) (Standing, error) {
	var (
		s    Standing
		tick int64
		at   *time.Time
	)
	err := conn.QueryRow(ctx, standingSQL, queue, consumer).Scan(&tick, &at, &s.Provider, &s.Parked, &s.Copying)
	switch state := set.SQLState(err); {
	case errors.Is(err, pgx.ErrNoRows):
		return s, hint.With(fmt.Errorf("consumer %s has no position at the subscriber yet", consumer), "start it: londiste INI replay -d")
	case state == "42P01", state == "3F000", state == "42703":
		return s, hint.With(fmt.Errorf("subscriber: no node is installed, or an old one: %w", err), "run: londiste INI subscriber install")
	case state == "42501":
		return s, hint.With(fmt.Errorf("subscriber: %w", err), "at the subscriber: grant pgq_reader to %s", conn.Config().User)
	case err != nil:
		return s, fmt.Errorf("subscriber: read the position of %s: %w", consumer, err)
	}
	s.Position = pgq.TickID(tick)
	if at != nil {
		s.TickTime = *at
	}
	return s, nil
}
