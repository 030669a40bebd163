package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/noun"
	"github.com/skytools-go/skytools/pgq"
)

// Examine looks at all that can be wrong with a server and with the queues of
// one of its databases. Nothing is changed. schema is the version that the
// database should hold. What a check cannot tell, for want of a right, is a
// finding; the error is the connection's.
func Examine(ctx context.Context, conn *pgx.Conn, schema int) ([]Finding, error) {
	all, err := ExamineServer(ctx, conn)
	if err != nil {
		return all, err
	}
	queues, err := ExamineQueues(ctx, conn, schema)
	return append(all, queues...), err
}

// ExamineQueues is the part of [Examine] that is about the queues: the
// database must have them.
func ExamineQueues(ctx context.Context, conn *pgx.Conn, schema int) ([]Finding, error) {
	status, err := ReadStatus(ctx, conn)
	if err != nil {
		return nil, err
	}
	return run(ctx, queueChecks, &examination{Status: status, conn: conn, schema: schema})
}

// run runs checks one after the other.
func run[X any](ctx context.Context, checks []Check[X], x X) (all []Finding, err error) {
	for _, check := range checks {
		found, err := check.Run(ctx, x)
		if err != nil {
			return all, err
		}
		all = append(all, found...)
	}
	return all, nil
}

// examination is what the checks of queues look at.
type examination struct {
	Status
	conn   *pgx.Conn
	schema int
}

// queueChecks are in the order in which trouble has trouble in its wake.
var queueChecks = []Check[*examination]{
	{
		"schema", "it is this program's version",
		"a program and a schema of different versions may not know each other's functions", versionOf,
	},
	{
		"move", "none was begun and left",
		"a move to the extension pgq or from it that stopped in the middle leaves functions of both", query("", moveSQL),
	},
	{"ticker", "one leads", "without ticks consumers get nothing, and event tables are never emptied", tickerOf},
	{"other tickers", "none is seen", "two programs that tick and rotate get in each other's way", otherTickersOf},
	{"ticks", "all queues have a fresh one", "events are handed out up to the last tick only", ticksOf},
	{
		"tick times", "none is of the future", "lag and ages are counted from the time of ticks",
		query("", `select 'warning', '', format('there are ticks %ss ahead of the server''s clock, which was put back', round(extract(epoch from max(tick_time) - clock_timestamp()))),
			'nothing: ages are wrong until it has caught up; events are not in danger'
		from pgq.tick having max(tick_time) > clock_timestamp() + interval '2 seconds'`),
	},
	{"switches", "no queue is paused or closed", "a paused queue's consumers get nothing, a closed one's writers get errors", switchesOf},
	{"rotation", "event tables turn in time", "a queue whose tables cannot be emptied grows without end", rotationOf},
	{"open for long", "nothing that rotation waits for", "rotation waits for transactions that may not have seen an event table's last rows", hiddenTransactionOf},
	{"consumers", "all were seen lately, at ticks that exist", "a consumer that nobody runs keeps all events from its tick on", query("", consumersSQL)},
	{"backlog", "within each queue's policy", "past its policy a consumer is detached, and has to be attached again", backlogOf},
	{"retries", "what is due comes back", "events that were to be tried again wait", query("", retriesSQL)},
	{"delayed events", "what is due comes", "events that were to come at a time are late", query("skytools.insert_event_at", delayedSQL)},
	{"dead letters", "there are none", "somebody has to look at events that nobody could process, before they are purged", query("skytools.dead_events", deadSQL)},
	{"grants", "the roles of PgQ have their rights", "programs that log in as their members fail", query("", grantsSQL)},
	{"event tables", "all are there, with their index", "an event table that is gone has lost its events; one without its index is read whole for each batch", query("", tablesSQL)},
	{"sequences", "none is behind what it has given out", "a number that is given out twice hides events from consumers, or stops ticks", query("", sequencesSQL)},
	{"transaction ids", "they are of this server", "batches are cut by transaction ids; those of another server find no event", query("", txidsSQL)},
}

// query is a check by a statement, see [Query]. It is left out where the
// database lacks the function that it needs, such as over the real extension.
func query(needs, sql string) func(context.Context, *examination) ([]Finding, error) {
	return func(ctx context.Context, x *examination) ([]Finding, error) {
		var there bool
		err := x.conn.QueryRow(ctx, `select $1 = '' or to_regproc($1) is not null`, needs).Scan(&there)
		if err == nil && !there {
			err = ErrLacking
		}
		if err != nil {
			return nil, err
		}
		return Query(ctx, x.conn, sql)
	}
}

func versionOf(ctx context.Context, x *examination) ([]Finding, error) {
	return SchemaVersion(ctx, x.conn, x.schema, "pgqadm INI install")
}

// SchemaVersion compares the version of the schemas in a database with the one
// that they should have; install is the command that makes them.
func SchemaVersion(ctx context.Context, conn *pgx.Conn, schema int, install string) ([]Finding, error) {
	var version int
	err := conn.QueryRow(ctx, `select version from skytools.installation`).Scan(&version)
	switch {
	case err != nil:
		return nil, err
	case version < schema:
		return []Finding{{
			Result: Warning, Text: fmt.Sprintf("the database has version %d, this program %d", version, schema),
			Mend: install,
		}}, nil
	case version > schema:
		return []Finding{{
			Result: Warning, Text: fmt.Sprintf("the database has version %d, this program is of version %d", version, schema),
			Mend: "use the newer program",
		}}, nil
	}
	return nil, nil
}

// tickerOf cannot tell a ticker that ended a moment ago from one whose session is
// not seen, before its queues are late.
func tickerOf(_ context.Context, x *examination) ([]Finding, error) {
	switch {
	case len(x.Tickers) > 0 && x.Tickers[0].Leads:
		return nil, nil
	case len(x.Queues) == 0 || slices.ContainsFunc(x.Queues, pgq.Queue.Late):
		return []Finding{{Result: Failed, Text: "none is connected", Mend: "pgqadm INI ticker -d"}}, nil
	case len(x.OtherTickers) > 0:
		return []Finding{{Result: Sound, Text: "ticks are made by another program: " + x.OtherTickers[0].String()}}, nil
	}
	youngest := x.Queues[0].TickerLag
	for _, q := range x.Queues {
		youngest = min(youngest, q.TickerLag)
	}
	return []Finding{{
		Result: Unknown,
		Text:   fmt.Sprintf("none is seen, but the last tick is only %s old: it has just ended, or this role may not see its session", pgq.Seconds(youngest)),
		Mend:   "pgqadm INI ticker -d starts one; if one runs, grant pg_read_all_stats to " + ident.Quote(x.conn.Config().User) + ", or look again in two minutes",
	}}, nil
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
		if q.Late() {
			found = append(found, Finding{
				Result: Failed, Object: q.Name, Text: fmt.Sprintf("the last tick is %s old, %s without one", pgq.Seconds(q.TickerLag), noun.Count(q.NewEvents, "event")),
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
			if !c.HoldsRotation || c.Bookkeeping() {
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

// hiddenTransactionOf is for what [transactionsSQL] does not find: other roles'
// transactions that this one may not see. Ticks tell that there is one.
func hiddenTransactionOf(_ context.Context, x *examination) ([]Finding, error) {
	if !x.OldestTransaction.Long() || x.OldestTransaction.Who != "" {
		return nil, nil
	}
	user := x.conn.Config().User
	return []Finding{{
		Result: Warning, Text: x.OldestTransaction.String(),
		Mend: "find it: grant pg_read_all_stats to " + ident.Quote(user) + ", then doctor tells which process it is",
	}}, nil
}
