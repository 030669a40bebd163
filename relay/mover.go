package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/pgq"
)

// Mover copies events into another queue: type, data, the extra fields and,
// where the role may write event tables, the time. They get ids of
// their own, in the same order.
type Mover struct {
	Queue  string  // the target's
	Source *Target // the database that it reads from
	Log    *slog.Logger

	writer writer
}

// Handle is the [pgq.TxHandler].
func (m *Mover) Handle(ctx context.Context, tx pgx.Tx, b *pgq.Batch) error {
	err := m.writer.all(ctx, tx, m.Source, m.Log, b, func(pgq.Event) (string, error) { return m.Queue, nil })
	if errors.Is(err, errOwnQueue) {
		return pgq.Permanent(err)
	}
	return err
}

// Splitter copies events into the queues that a field of theirs names, as
// [Mover] does.
type Splitter struct {
	Field  string  // one of Fields
	Source *Target // the database that it reads from
	Log    *slog.Logger

	writer writer
}

// Fields are the fields that a [Splitter] takes: names of columns, without
// ev_.
var Fields = []string{"type", "extra1", "extra2", "extra3", "extra4"}

// Handle is the [pgq.TxHandler].
func (s *Splitter) Handle(ctx context.Context, tx pgx.Tx, b *pgq.Batch) error {
	return s.writer.all(ctx, tx, s.Source, s.Log, b, func(ev pgq.Event) (string, error) {
		value := map[string][]byte{
			"type": []byte(ev.Type), "extra1": ev.Extra1, "extra2": ev.Extra2, "extra3": ev.Extra3, "extra4": ev.Extra4,
		}[s.Field]
		if len(value) == 0 {
			return "", fmt.Errorf("event %d names no queue: its %s is empty", ev.ID, s.Field)
		}
		return string(value), nil
	})
}

// writer writes events into queues of the target, many by a statement.
type writer struct {
	asked bool
	timed bool // the role may give an event its time
	home  bool // the target is the database that the events come from
}

var errOwnQueue = errors.New("it would go into the queue from which it comes, again and again")

const (
	chunkEvents = 5000
	chunkBytes  = 4 << 20
)

// all writes a batch, each event into the queue that to names.
func (w *writer) all(ctx context.Context, tx pgx.Tx, source *Target, log *slog.Logger, b *pgq.Batch, to func(pgq.Event) (string, error)) error {
	if err := w.ask(ctx, tx, source, log); err != nil {
		return err
	}
	pending := map[string][]pgq.Event{}
	sizes := map[string]int{}
	flush := func(queue string) error {
		err := w.write(ctx, tx, queue, pending[queue])
		pending[queue], sizes[queue] = pending[queue][:0], 0
		return err
	}
	for ev, err := range b.Events(ctx) {
		if err != nil {
			return err
		}
		queue, err := to(ev)
		if err != nil {
			return err
		}
		if w.home && queue == b.Queue {
			return hint.With(fmt.Errorf("event %d into queue %s: %w", ev.ID, queue, errOwnQueue), "name another queue, or another dst_db")
		}
		pending[queue] = append(pending[queue], ev)
		sizes[queue] += len(ev.Data) + len(ev.Extra1) + len(ev.Extra2) + len(ev.Extra3) + len(ev.Extra4)
		if len(pending[queue]) < chunkEvents && sizes[queue] < chunkBytes {
			continue
		}
		if err := flush(queue); err != nil {
			return err
		}
	}
	for queue := range pending {
		if err := flush(queue); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) ask(ctx context.Context, tx pgx.Tx, source *Target, log *slog.Logger) error {
	if w.asked {
		return nil
	}
	var err error
	if w.home, err = source.same(ctx, tx); err != nil {
		return err
	}
	if w.timed, err = pgq.MayTime(ctx, tx); err != nil {
		return err
	}
	if w.asked = true; !w.timed {
		log.Info("The target's role is not pgq_admin: moved events get the time of their arrival")
	}
	return nil
}

func (w *writer) write(ctx context.Context, tx pgx.Tx, queue string, events []pgq.Event) error {
	if len(events) == 0 {
		return nil
	}
	to := &pgq.Producer{Queue: queue}
	var err error
	if w.timed {
		_, err = to.InsertTimed(ctx, tx, events)
	} else {
		_, err = to.InsertMany(ctx, tx, events)
	}
	if errors.Is(err, pgq.ErrQueueNotFound) {
		err = hint.With(err, "create it at the target: pgqadm INI create %s", hint.Shell(queue))
	}
	if err != nil {
		return fmt.Errorf("write events %d to %d: %w", events[0].ID, events[len(events)-1].ID, err)
	}
	return nil
}
