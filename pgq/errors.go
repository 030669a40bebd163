package pgq

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/loop"
)

// The errors of this package, for [errors.Is]; one that the server raised is
// a [*pgconn.PgError] besides. Whatever else is returned comes from the
// connection, from the caller's own functions, or is a server's error that the
// caller cannot act on by a rule.
var (
	// ErrNotInstalled: the database has no PgQ, or none with what was asked for.
	ErrNotInstalled = errors.New("PgQ is not installed")
	// ErrQueueNotFound: there is no queue of that name.
	ErrQueueNotFound = errors.New("queue not found")
	// ErrConsumerNotFound: the consumer is not registered on the queue.
	ErrConsumerNotFound = errors.New("consumer not registered")
	// ErrTickNotFound: the queue has no tick of that number (any more).
	ErrTickNotFound = errors.New("tick not found")
	// ErrBatchNotFound: the batch was finished, or its consumer was
	// unregistered or moved.
	ErrBatchNotFound = errors.New("batch not found")
	// ErrEventNotFound: the open batch has no such event.
	ErrEventNotFound = errors.New("event not found")
	// ErrInsertDisallowed: the queue takes events at another node, or from
	// nobody.
	ErrInsertDisallowed = errors.New("insert into queue disallowed")
	// ErrTxLimit: the transaction would write more events than the queue allows.
	ErrTxLimit = errors.New("too many events in one transaction")
	// ErrConsumersAttached: a queue with consumers is not dropped.
	ErrConsumersAttached = errors.New("consumers are attached")
	// ErrBusy: another session is about to open or end a batch of this consumer.
	ErrBusy = errors.New("consumer is busy")
	// ErrPositionLost: the events that come next for the consumer are not in
	// the queue any more, or it is another queue than the one it had read.
	ErrPositionLost = errors.New("position lost")
	// ErrUnread: a handler returned without having read its batch to the end.
	ErrUnread = errors.New("batch was not read to its end")
	// ErrOutOfOrder: events of a batch were told before one that belongs
	// before them. Forget them; the next Stream tells the batch from its
	// beginning, in order.
	ErrOutOfOrder = errors.New("events out of order")
)

// Permanent marks an error of a handler that delivering the batch again would
// not mend: [Consumer.Run] returns it. Nil stays nil.
func Permanent(err error) error { return loop.Permanent(err) }

// raised tells a server's error by its SQLSTATE and the begin of its text.
// The texts are PgQ's own, which its clients compare, and never translated;
// the real extension has them under the states of plain RAISE and elog, ours
// has one that fits.
var raised = []struct {
	state, text string
	means       error
}{
	{"42704", "No such queue", ErrQueueNotFound},
	{"42704", "No such event queue", ErrQueueNotFound},
	{"42704", "no such queue", ErrQueueNotFound},
	{"42704", "Event queue not ", ErrQueueNotFound}, // found, created yet
	{"42704", "Not subscriber to queue", ErrConsumerNotFound},
	{"42704", "consumer not registered", ErrConsumerNotFound},
	{"42704", "subconsumer not found", ErrConsumerNotFound},
	{"42704", "main consumer not found", ErrConsumerNotFound},
	{"42704", "tick not found", ErrTickNotFound},
	{"42704", "cannot reposition, tick not found", ErrTickNotFound},
	{"42704", "batch not found", ErrBatchNotFound},
	{"42704", "batch_retry: batch ", ErrBatchNotFound},
	{"42704", "event not found", ErrEventNotFound},
	{"55000", "Insert into queue disallowed", ErrInsertDisallowed},
	{"55000", "Writing to queue disabled", ErrInsertDisallowed},
	{"53400", "Queue '", ErrTxLimit},
	{"2BP01", "cannot drop queue, consumers still attached", ErrConsumersAttached},
	{"XX001", "PgQ corruption: ", ErrPositionLost},
	{"55P03", "", ErrBusy},
}

// known gives a server's error its name in this package; any other error is
// returned as it stands.
func known(err error) error {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return err
	}
	for _, r := range raised {
		plain := r.text != "" && (pg.Code == "P0001" || pg.Code == "XX000")
		if (pg.Code == r.state || plain) && strings.HasPrefix(pg.Message, r.text) {
			return &named{r.means, err}
		}
	}
	switch pg.Code {
	case "3F000", "42883", "42P01": // no such schema, function, table
		if strings.Contains(pg.Message, "pgq") || strings.Contains(pg.Message, "skytools") {
			return &named{ErrNotInstalled, err}
		}
	}
	return err
}

// named is a server's error that also is one of this package. Its text is the
// server's.
type named struct{ means, err error }

func (n *named) Error() string   { return n.err.Error() }
func (n *named) Unwrap() []error { return []error{n.err, n.means} }

// CheckInstalled returns an error with a hint where a database has no PgQ.
func CheckInstalled(ctx context.Context, conn *pgx.Conn) error {
	var installed bool
	err := conn.QueryRow(ctx, `select to_regclass('pgq.queue') is not null and to_regclass('pgq.tick') is not null`).Scan(&installed)
	if err == nil && !installed {
		err = hint.With(fmt.Errorf("%w in database %s", ErrNotInstalled, conn.Config().Database),
			"run \"pgqadm INI install\" or \"londiste INI provider install\"")
	}
	return err
}
