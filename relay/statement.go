package relay

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/pgq"
)

// Statement runs a statement for each event, with its values as parameters:
//
//	insert into entry (id, item) values (%(id)s, %(item)s)
//	select note(%(pgq.ev_type)s, %(pgq.ev_data)s)
//
// %(pgq.NAME)s is a column of the event: ev_id, ev_time, ev_txid, ev_retry,
// ev_type, ev_data, ev_extra1 to ev_extra4, and tick_id of the batch's end.
// %(NAME)s is a column of the row in ev_data, which is urlencoded as logutriga
// writes it, or a JSON object. %% is a percent sign. Values are bound, never
// pasted: the server takes each for what stands in its place, so no quotes go
// around.
type Statement struct {
	sql  string   // with $1, $2 …
	keys []string // the parameters
	rows bool     // one of them is a column of the row
}

// NewStatement reads the statement's text.
func NewStatement(text string) (*Statement, error) {
	s := &Statement{}
	var b strings.Builder
	quoted := false
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\'':
			quoted = !quoted
			b.WriteByte('\'')
		case text[i] != '%':
			b.WriteByte(text[i])
		case strings.HasPrefix(text[i:], "%%"):
			b.WriteByte('%')
			i++
		default:
			key, rest, ok := strings.Cut(strings.TrimPrefix(text[i:], "%("), ")s")
			if !ok || !strings.HasPrefix(text[i:], "%(") {
				return nil, hint.With(fmt.Errorf("%q is neither %%(name)s nor %%%%", text[i:min(len(text), i+20)]),
					"in an ini file each %% is written twice: %%%%(pgq.ev_data)s")
			}
			if quoted {
				return nil, hint.With(fmt.Errorf("%%(%s)s stands in quotes", key), "leave the quotes away: values are bound")
			}
			if err := s.param(key); err != nil {
				return nil, err
			}
			fmt.Fprintf(&b, "$%d", len(s.keys))
			i = len(text) - len(rest) - 1
		}
	}
	s.sql = b.String()
	if strings.TrimSpace(s.sql) == "" {
		return nil, errors.New("the statement is empty")
	}
	return s, nil
}

func (s *Statement) param(key string) error {
	name, ours := strings.CutPrefix(key, "pgq.")
	if _, known := eventField(pgq.Event{}, 0, name); ours && !known {
		return hint.With(fmt.Errorf("there is no %%(%s)s", key),
			"there are pgq.ev_id, ev_time, ev_txid, ev_retry, ev_type, ev_data, ev_extra1 to ev_extra4, tick_id")
	}
	s.keys = append(s.keys, key)
	s.rows = s.rows || !ours
	return nil
}

// eventField is a column of an event as text; nil is NULL.
func eventField(ev pgq.Event, tick pgq.TickID, name string) (value *string, known bool) {
	plain := func(v any) *string {
		s := fmt.Sprint(v)
		return &s
	}
	switch name {
	case "ev_id":
		return plain(ev.ID), true
	case "ev_time":
		return plain(ev.Time.Format("2006-01-02 15:04:05.999999Z07:00")), true
	case "ev_txid":
		return plain(ev.TxID), true
	case "ev_retry":
		return plain(ev.Retry), true
	case "ev_type":
		return plain(ev.Type), true
	case "ev_data":
		return text(ev.Data), true
	case "ev_extra1":
		return text(ev.Extra1), true
	case "ev_extra2":
		return text(ev.Extra2), true
	case "ev_extra3":
		return text(ev.Extra3), true
	case "ev_extra4":
		return text(ev.Extra4), true
	case "tick_id":
		return plain(tick), true
	}
	return nil, false
}

// values are the parameters for one event.
func (s *Statement) values(ev pgq.Event, tick pgq.TickID) ([]any, error) {
	var row map[string]*string
	if s.rows {
		var err error
		if row, err = decodeRow(ev); err != nil {
			return nil, err
		}
	}
	values := make([]any, len(s.keys))
	for i, key := range s.keys {
		if name, ours := strings.CutPrefix(key, "pgq."); ours {
			values[i], _ = eventField(ev, tick, name)
			continue
		}
		value, there := row[key]
		if !there {
			return nil, fmt.Errorf("its row has no column %s", key)
		}
		values[i] = value
	}
	return values, nil
}

// pipelined is how many statements go to the server at once.
const pipelined = 500

// Handle returns a [pgq.TxHandler] for the events that keep wants; a nil one
// wants all.
func (s *Statement) Handle(keep Filter) pgq.TxHandler {
	return func(ctx context.Context, tx pgx.Tx, b *pgq.Batch) error {
		wanted, err := keep.of(ctx, b)
		if err != nil {
			return err
		}
		var queued pgx.Batch
		var ids []pgq.EventID
		for ev, err := range b.Events(ctx) {
			if err != nil {
				return err
			}
			if !wanted(ev) {
				continue
			}
			values, err := s.values(ev, b.Cur.ID)
			if err != nil {
				return fmt.Errorf("event %d: %w", ev.ID, err)
			}
			queued.Queue(s.sql, values...)
			if ids = append(ids, ev.ID); len(ids) < pipelined {
				continue
			}
			if err := send(ctx, tx, &queued, ids); err != nil {
				return err
			}
			queued, ids = pgx.Batch{}, ids[:0]
		}
		return send(ctx, tx, &queued, ids)
	}
}

// send runs what is queued, and names the event whose statement failed.
func send(ctx context.Context, tx pgx.Tx, queued *pgx.Batch, ids []pgq.EventID) error {
	if len(ids) == 0 {
		return nil
	}
	results := tx.SendBatch(ctx, queued)
	for _, id := range ids {
		if _, err := results.Exec(); err != nil {
			_ = results.Close() // says the same
			return fmt.Errorf("event %d: %w", id, err)
		}
	}
	return results.Close()
}
