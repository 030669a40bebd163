package pgq

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
)

// BacklogChannel is notified when maintenance warns of a consumer or detaches
// it; the payload is JSON: queue, consumer, action (warn or detach), age in
// seconds, bytes.
const BacklogChannel = "skytools_backlog"

// Backlog is a consumer that maintenance warns of: what it has still to read
// is over a limit of its queue's policy.
type Backlog struct {
	Queue    string        `json:"queue_name"`
	Consumer string        `json:"consumer_name"`
	Since    time.Time     `json:"since"`
	Age      time.Duration `json:"-"` // of the oldest tick that it has not finished
	Bytes    int64         `json:"bytes"`
	Reason   string        `json:"reason"`
}

// String is a line of `pgqadm status`.
func (b Backlog) String() string {
	return fmt.Sprintf("queue %s: consumer %s has a backlog of %s, %d bytes: %s", b.Queue, b.Consumer, short(b.Age), b.Bytes, b.Reason)
}

// Mend says what to do about it.
func (b Backlog) Mend() string {
	return fmt.Sprintf("see that it runs: pgqadm INI batch %s shows what it works on; or allow more: pgqadm INI config %s backlog_warn_bytes=BYTES backlog_warn_age=SECONDS",
		hint.Shell(b.Consumer), hint.Shell(b.Queue))
}

// MarshalJSON adds the age, in seconds.
func (b Backlog) MarshalJSON() ([]byte, error) {
	type plain Backlog
	return json.Marshal(struct {
		plain
		Age float64 `json:"age"`
	}{plain(b), fine(b.Age)})
}

// BacklogWarnings lists them as of maintenance's last look.
func BacklogWarnings(ctx context.Context, conn *pgx.Conn) ([]Backlog, error) {
	return policyRows(ctx, conn, "get_backlog_warnings()", `select queue_name, consumer_name, since, extract(epoch from age)::float8, bytes, reason
		from skytools.get_backlog_warnings()`, func(row pgx.CollectableRow) (b Backlog, err error) {
		var age float64
		err = row.Scan(&b.Queue, &b.Consumer, &b.Since, &age, &b.Bytes, &b.Reason)
		b.Age = seconds(age)
		return b, err
	})
}

// Detached is a consumer that maintenance took from its queue, and where it
// stood.
type Detached struct {
	Queue    string        `json:"queue_name"`
	Consumer string        `json:"consumer_name"`
	LastTick TickID        `json:"last_tick"`
	At       time.Time     `json:"detached_at"`
	Age      time.Duration `json:"-"` // of its backlog then
	Bytes    int64         `json:"bytes"`
	Reason   string        `json:"reason"`
}

// String is a line of `pgqadm status`, with the command that mends it.
func (d Detached) String() string {
	return fmt.Sprintf("queue %s: consumer %s was detached %s at tick %d, its backlog of %s, %d bytes was %s",
		d.Queue, d.Consumer, d.At.Format(time.DateTime), d.LastTick, short(d.Age), d.Bytes, d.Reason)
}

// Mend says how it comes back.
func (d Detached) Mend() string {
	return fmt.Sprintf("pgqadm INI detached attach %s %s brings it back", hint.Shell(d.Queue), hint.Shell(d.Consumer))
}

// MarshalJSON adds the age, in seconds.
func (d Detached) MarshalJSON() ([]byte, error) {
	type plain Detached
	return json.Marshal(struct {
		plain
		Age float64 `json:"age"`
	}{plain(d), fine(d.Age)})
}

// DetachedConsumers lists them.
func DetachedConsumers(ctx context.Context, conn *pgx.Conn) ([]Detached, error) {
	return policyRows(ctx, conn, "get_detached_consumers()", `select queue_name, consumer_name, last_tick, detached_at, extract(epoch from age)::float8, bytes, reason
		from skytools.get_detached_consumers()`, func(row pgx.CollectableRow) (d Detached, err error) {
		var age float64
		err = row.Scan(&d.Queue, &d.Consumer, &d.LastTick, &d.At, &age, &d.Bytes, &d.Reason)
		d.Age = seconds(age)
		return d, err
	})
}

// AttachConsumer brings a detached consumer back to where it stood, and returns
// that tick. Where rotation has taken events after it that is an error, unless
// lossy: then it goes on with what is left.
func AttachConsumer(ctx context.Context, conn DB, queue, consumer string, lossy bool) (TickID, error) {
	tick, err := change(ctx, conn, `select skytools.attach_consumer($1, $2, $3)`, queue, consumer, lossy)
	if err != nil {
		return 0, fmt.Errorf("attach consumer %s to queue %s: %w", consumer, queue, err)
	}
	return TickID(tick), nil
}

// ForgetDetached gives a detached consumer up, with its retry events, and tells
// whether there was one.
func ForgetDetached(ctx context.Context, conn DB, queue, consumer string) (bool, error) {
	n, err := change(ctx, conn, `select skytools.forget_detached($1, $2)`, queue, consumer)
	if err != nil {
		return false, fmt.Errorf("forget consumer %s of queue %s: %w", consumer, queue, err)
	}
	return n > 0, nil
}

// policyRows reads what a function of schema skytools tells, which a database
// that was installed by an older program does not have.
func policyRows[T any](ctx context.Context, conn *pgx.Conn, function, sql string, scan pgx.RowToFunc[T]) ([]T, error) {
	var there bool
	if err := conn.QueryRow(ctx, `select to_regprocedure('skytools.' || $1) is not null`, function).Scan(&there); err != nil {
		return nil, fmt.Errorf("look for skytools.%s: %w", function, err)
	}
	if !there {
		return []T{}, nil
	}
	rows, err := conn.Query(ctx, sql)
	if err == nil {
		var list []T
		if list, err = pgx.CollectRows(rows, scan); err == nil {
			return list, nil
		}
	}
	return nil, fmt.Errorf("skytools.%s: %w", function, err)
}
