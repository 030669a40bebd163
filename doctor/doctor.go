package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/session"
	"github.com/skytools-go/skytools/pgq"
)

// Result is what a check has found.
type Result string

// The results, the better first.
const (
	Sound   Result = "ok"
	Warning Result = "warning" // works, and somebody should look
	Failed  Result = "failed"  // does not work, or will not for long
	Unknown Result = "unknown" // could not be told
)

// Finding is the result of one check. One that found nothing wrong has a
// finding, too.
type Finding struct {
	Check  string `json:"check"`
	Result Result `json:"result"`
	Object string `json:"object"` // the queue, or consumer on a queue; "" for the database
	Text   string `json:"text"`
	Mend   string `json:"mend"` // what to do about it
}

// Examine looks at all that can be wrong with the queues of a database. Nothing
// is changed. schema is the version that the database should hold. What a
// check cannot tell, for want of a right, is a finding; the error is the
// connection's.
func Examine(ctx context.Context, conn *pgx.Conn, schema int) ([]Finding, error) {
	begin := time.Now()
	status, err := ReadStatus(ctx, conn)
	if err != nil {
		return nil, err
	}
	x := &examination{Status: status, conn: conn, schema: schema, took: time.Since(begin)}
	var all []Finding
	for _, check := range checks {
		found, err := check.look(ctx, x)
		switch {
		case errors.Is(err, errLacking):
			continue
		case err != nil && !session.Outlived(err):
			return all, err
		case err != nil:
			found = []Finding{{Result: Unknown, Text: err.Error(), Mend: cmp.Or(hint.Of(err), "run doctor as the owner of the queues")}}
		case len(found) == 0:
			found = []Finding{{Result: Sound, Text: check.sound}}
		}
		for _, f := range found {
			f.Check = check.name
			all = append(all, f)
		}
	}
	return all, nil
}

// examination is what several checks look at.
type examination struct {
	Status
	conn   *pgx.Conn
	schema int
	took   time.Duration
}

// check looks for one kind of trouble; no finding means sound.
type check struct {
	name  string
	sound string // the text when nothing is wrong
	look  func(ctx context.Context, x *examination) ([]Finding, error)
}

// checks are in the order in which trouble has trouble in its wake.
var checks = []check{
	{"schema", "it is this program's version", versionOf},
	{"server", "it is a primary", query("", `select 'failed', '', 'the server is a standby: no ticks are made here', 'connect to its primary'
		where pg_is_in_recovery()`)},
	{"clock", "server and this machine agree", clockOf},
	{"ticker", "one leads", tickerOf},
	{"other tickers", "none is seen", otherTickersOf},
	{"ticks", "all queues have a fresh one", ticksOf},
	{"switches", "no queue is paused or closed", switchesOf},
	{"rotation", "event tables turn in time", rotationOf},
	{"transactions", "none has been running for long", transactionOf},
	{"autovacuum", "it keeps the tables of PgQ small", query("", autovacuumSQL)},
	{"consumers", "all were seen lately, at ticks that exist", query("", consumersSQL)},
	{"backlog", "within each queue's policy", backlogOf},
	{"retries", "what is due comes back", query("", retriesSQL)},
	{"delayed events", "what is due comes", query("skytools.insert_event_at", delayedSQL)},
	{"dead letters", "there are none", query("skytools.dead_events", deadSQL)},
	{"grants", "the roles of PgQ have their rights", query("", grantsSQL)},
	{"event tables", "all are there, with their index", query("", tablesSQL)},
	{"sequences", "none is behind what it has given out", query("", sequencesSQL)},
	{"transaction ids", "they are of this server", query("", txidsSQL)},
}

// errLacking: the database has not got what would be looked at.
var errLacking = errors.New("not there")

// query is a check by a statement that selects result, object, text and mend of
// each finding. It is left out where the database lacks a function, such as
// over the real extension.
func query(needs, sql string) func(context.Context, *examination) ([]Finding, error) {
	return func(ctx context.Context, x *examination) ([]Finding, error) {
		var there bool
		err := x.conn.QueryRow(ctx, `select $1 = '' or to_regproc($1) is not null`, needs).Scan(&there)
		if err == nil && !there {
			err = errLacking
		}
		if err != nil {
			return nil, err
		}
		// Who looks is often a superuser, and an operator in a schema that others
		// may write to, such as public in old databases, would run as that.
		tx, err := x.conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
		if err != nil {
			return nil, err
		}
		defer tx.Rollback(context.WithoutCancel(ctx)) // it only read: the error does not matter
		if _, err := tx.Exec(ctx, `set local search_path = pg_catalog, pg_temp`); err != nil {
			return nil, err
		}
		rows, err := tx.Query(ctx, sql)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, func(row pgx.CollectableRow) (f Finding, err error) {
			err = row.Scan(&f.Result, &f.Object, &f.Text, &f.Mend)
			return f, err
		})
	}
}

func versionOf(ctx context.Context, x *examination) ([]Finding, error) {
	var version int
	err := x.conn.QueryRow(ctx, `select version from skytools.installation`).Scan(&version)
	switch {
	case err != nil:
		return nil, err
	case version < x.schema:
		return []Finding{{
			Result: Warning, Text: fmt.Sprintf("the database has version %d, this program %d", version, x.schema),
			Mend: "pgqadm INI install",
		}}, nil
	case version > x.schema:
		return []Finding{{
			Result: Warning, Text: fmt.Sprintf("the database has version %d, this program is of version %d", version, x.schema),
			Mend: "use the newer program",
		}}, nil
	}
	return nil, nil
}

// clockOf compares the clocks, as far as the round trip allows, and looks for
// ticks of the future.
func clockOf(ctx context.Context, x *examination) ([]Finding, error) {
	var theirs time.Time
	var ahead float64
	before := time.Now()
	err := x.conn.QueryRow(ctx, `select clock_timestamp(),
		coalesce(extract(epoch from max(tick_time) - clock_timestamp()), 0)::float8 from pgq.tick`).Scan(&theirs, &ahead)
	if err != nil {
		return nil, err
	}
	after := time.Now()
	var found []Finding
	off := max(before.Sub(theirs), theirs.Sub(after))
	if off > 2*time.Second {
		found = append(found, Finding{
			Result: Warning, Text: fmt.Sprintf("the server's clock and this machine's differ by %s", pgq.Seconds(off)),
			Mend: "have both follow a time server",
		})
	}
	if ahead > 2 {
		found = append(found, Finding{
			Result: Warning, Text: fmt.Sprintf("there are ticks %s ahead of the server's clock, which was put back", pgq.Seconds(ahead*float64(time.Second))),
			Mend: "ages are wrong until it has caught up; events are not in danger",
		})
	}
	return found, nil
}

// lateness is how old a queue's last tick may be over its idle period.
const lateness = 30 * time.Second

// late tells that the queue should have been ticked.
func late(q pgq.Queue) bool {
	if q.TickerPaused || q.ExternalTicker {
		return false
	}
	return q.TickerLag > q.IdlePeriod+lateness || q.NewEvents > 0 && q.TickerLag > q.MaxLag+lateness/3
}

func tickerOf(_ context.Context, x *examination) ([]Finding, error) {
	if len(x.Tickers) > 0 && x.Tickers[0].Leads {
		return nil, nil
	}
	if len(x.Queues) > 0 && !slices.ContainsFunc(x.Queues, late) {
		return []Finding{{
			Result: Sound, Text: "ticks are made, by another program or through a pooler",
		}}, nil
	}
	return []Finding{{Result: Failed, Text: "none is connected", Mend: "pgqadm INI ticker -d"}}, nil
}

func otherTickersOf(_ context.Context, x *examination) ([]Finding, error) {
	var found []Finding
	for _, other := range x.OtherTickers {
		found = append(found, Finding{Result: Warning, Text: other.String() + " ticks beside ours", Mend: x.mendOther()})
	}
	return found, nil
}

func ticksOf(_ context.Context, x *examination) ([]Finding, error) {
	var found []Finding
	for _, q := range x.Queues {
		if late(q) {
			found = append(found, Finding{
				Result: Failed, Object: q.Name, Text: fmt.Sprintf("the last tick is %s old, %d events wait for one", pgq.Seconds(q.TickerLag), q.NewEvents),
				Mend: "see that the ticker runs, and its log",
			})
		}
	}
	return found, nil
}

func switchesOf(_ context.Context, x *examination) ([]Finding, error) {
	var found []Finding
	for _, q := range x.Queues {
		if q.TickerPaused {
			found = append(found, Finding{
				Result: Warning, Object: q.Name, Text: "its ticker is paused: consumers get nothing",
				Mend: "pgqadm INI config " + q.Name + " ticker_paused=0",
			})
		}
		if q.DisableInsert {
			found = append(found, Finding{
				Result: Warning, Object: q.Name, Text: "it takes no events: whoever writes gets an error",
				Mend: "update pgq.queue set queue_disable_insert = false where queue_name = …; on a node that is not the root it is meant so",
			})
		}
	}
	return found, nil
}

// rotationOf tells why event tables do not turn: a consumer, a transaction, or
// nobody who does it.
func rotationOf(_ context.Context, x *examination) ([]Finding, error) {
	var found []Finding
	for _, q := range x.Queues {
		waits := false
		for _, c := range q.Consumers {
			if !c.HoldsRotation {
				continue
			}
			waits = true
			found = append(found, Finding{
				Result: Warning, Object: q.Name,
				Text: fmt.Sprintf("it grows (%d MB): rotation waits for consumer %s, which is %s behind and was seen %s ago",
					q.Size>>20, c.Name, pgq.Seconds(c.Lag), pgq.Seconds(c.LastSeen)),
				Mend: strings.Join([]string{"start the consumer, or pgqadm INI unregister", q.Name, c.Name}, " "),
			})
		}
		overdue := q.RotatedAgo - q.RotationPeriod
		if !waits && overdue > max(q.RotationPeriod, 15*time.Minute) && !x.OldestTransaction.Long() {
			found = append(found, Finding{
				Result: Failed, Object: q.Name, Text: fmt.Sprintf("it grows (%d MB): rotation is overdue by %s", q.Size>>20, pgq.Seconds(overdue)),
				Mend: "see that the ticker runs, and what its log says of maintenance",
			})
		}
	}
	return found, nil
}

func backlogOf(_ context.Context, x *examination) ([]Finding, error) {
	var found []Finding
	for _, w := range x.Warnings {
		found = append(found, Finding{
			Result: Warning, Object: w.Queue,
			Text: fmt.Sprintf("consumer %s is %s and %d MB behind: %s", w.Consumer, pgq.Seconds(w.Age), w.Bytes>>20, w.Reason),
			Mend: "start it; the queue's policy may detach it",
		})
	}
	for _, d := range x.Detached {
		found = append(found, Finding{
			Result: Failed, Object: d.Queue,
			Text: fmt.Sprintf("consumer %s was detached at %s: %s", d.Consumer, d.At.Local().Format(time.DateTime), d.Reason),
			Mend: fmt.Sprintf("pgqadm INI detached attach %s %s, or detached forget", hint.Shell(d.Queue), hint.Shell(d.Consumer)),
		})
	}
	return found, nil
}

func transactionOf(_ context.Context, x *examination) ([]Finding, error) {
	if !x.OldestTransaction.Long() {
		return nil, nil
	}
	return []Finding{{
		Result: Warning, Text: x.OldestTransaction.String(),
		Mend: "have it end: select pg_terminate_backend(PROCESS), or rollback prepared",
	}}, nil
}
