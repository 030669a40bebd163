package pgq

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A role may have rights on single queues only, by skytools.grant_queue. Then
// it calls functions of that queue, skytools.queue_N_NAME, in place of PgQ's:
// they have the same arguments and results.

// calls tells whose functions a role calls to work on a queue. The zero value
// is PgQ's own.
type calls struct {
	queue int32 // whose functions are called; 0: PgQ's
	ours  bool  // schema skytools is there
}

// right is one on a queue, with what tells that a role has it: on all queues,
// and on this one.
type right struct{ all, own string }

var (
	mayWrite = right{"pgq.insert_event(text,text,text,text,text,text,text)", "insert_events"}
	mayRead  = right{"pgq.next_batch_custom(text,text,interval,int,interval)", "next_batch_custom"}
)

const callsSQL = `select q.queue_id, to_regproc('skytools.insert_events') is not null,
		coalesce(has_function_privilege(to_regprocedure($2::text), 'execute'), false),
		coalesce(has_function_privilege(to_regproc(format('skytools.queue_%s_%s', q.queue_id, $3::text)), 'execute'), false)
	from pgq.queue q where `

// callsOn finds out which functions the role calls; has is false where it
// has no such right, or there is no such queue: then PgQ's functions say so.
func (r right) callsOn(ctx context.Context, conn DB, queue string) (c calls, has bool, err error) {
	return r.find(ctx, conn, callsSQL+`q.queue_name = $1`, queue)
}

// callsOnBatch is callsOn for the queue of an open batch.
func (r right) callsOnBatch(ctx context.Context, conn DB, batch int64) (calls, error) {
	c, _, err := r.find(ctx, conn, callsSQL+`q.queue_id = (select sub_queue from pgq.subscription where sub_batch = $1)`, batch)
	return c, err
}

func (r right) find(ctx context.Context, conn DB, sql string, key any) (c calls, has bool, err error) {
	var all, own bool
	err = conn.QueryRow(ctx, sql, key, r.all, r.own).Scan(&c.queue, &c.ours, &all, &own)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return calls{}, false, nil
	case err != nil:
		return calls{}, false, err
	case all || !own:
		c.queue = 0
		return c, all, nil
	}
	return c, true, nil
}

// call is how the statements of this package call a function.
var call = regexp.MustCompile(`\b(pgq|pgq_coop|skytools)\.(\w+)\(`)

// sql is the statement with the functions that the role calls.
func (c calls) sql(text string) string {
	if c.queue == 0 {
		return text
	}
	return call.ReplaceAllStringFunc(text, func(found string) string {
		part := call.FindStringSubmatch(found)
		if part[1] == "pgq_coop" {
			part[2] = "pgq_coop_" + part[2]
		}
		return fmt.Sprintf("skytools.queue_%d_%s(", c.queue, part[2])
	})
}

// stale tells whether an error may come of rights, or a queue, that are not
// what they were.
func stale(err error) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && (pg.Code == "42501" || pg.Code == "42883")
}
