package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/session"
	"github.com/skytools-go/skytools/pgq"
)

// Rows reads events and dead letters when somebody looks at them, over a
// session of its own that cannot write, one reader at a time.
type Rows struct {
	config func(database string) *pgx.ConnConfig
	one    chan struct{} // holds a reader's place
}

// NewRows returns what reads them; config tells how a database that is shown
// is reached, "" for the provider of a subscription.
func NewRows(config func(database string) *pgx.ConnConfig) *Rows {
	return &Rows{config, make(chan struct{}, 1)}
}

const (
	rowsLimit = 5 * time.Second // for all that a page reads
	mostRows  = 50
	mostText  = 4000 // bytes of a field
)

// rows is what a page of them shows.
type rows struct {
	Database, Queue string
	List            []rowShown
	Error, Hint     string
	Most            int
}

type rowShown struct {
	ID                       int64
	Time                     time.Time
	Type                     string
	Retry                    int
	Fields                   []fieldShown
	Dead                     int64 // of a dead letter
	Consumer, Reason, Replay string
	Given                    time.Time
}

type fieldShown struct {
	Name, Text string
	Cut        int // bytes that are left out
}

// errBusy: another reader has the place.
var errBusy = hint.With(errors.New("somebody else is reading"), "try again in a few seconds")

// over runs read over a session to the database.
func (r *Rows) over(ctx context.Context, database string, read func(ctx context.Context, conn *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(ctx, rowsLimit)
	defer cancel()
	select {
	case r.one <- struct{}{}:
		defer func() { <-r.one }()
	case <-ctx.Done():
		return errBusy
	}
	config := r.config(database).Copy()
	config.RuntimeParams["default_transaction_read_only"] = "on"
	conn, err := session.Open(ctx, config, lockWait)
	if err != nil {
		return err
	}
	defer session.Close(ctx, conn)
	err = read(ctx, conn)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = hint.With(errors.New("reading took too long and was given up"), "pgqadm INI events QUEUE reads as long as it takes")
	}
	return err
}

// events are the newest of a queue, the newest first.
func (r *Rows) events(ctx context.Context, database, queue string) (list []rowShown, err error) {
	err = r.over(ctx, database, func(ctx context.Context, conn *pgx.Conn) error {
		events, err := pgq.NewTail(conn, queue).Last(ctx, mostRows)
		for _, ev := range events {
			list = append([]rowShown{eventShown(&ev)}, list...)
		}
		return err
	})
	return list, err
}

// dead are the oldest dead letters of a queue, as `pgqadm dead list` has them.
func (r *Rows) dead(ctx context.Context, database, queue string) (list []rowShown, err error) {
	err = r.over(ctx, database, func(ctx context.Context, conn *pgx.Conn) error {
		letters, err := pgq.DeadEvents(ctx, conn, queue, "", mostRows)
		for _, d := range letters {
			one := eventShown(&d.Event)
			one.Dead, one.Consumer, one.Reason, one.Given = d.ID, d.Consumer, d.Reason, d.Time
			one.Replay = "pgqadm INI dead replay " + hint.Shell(d.Queue) + " " + hint.Shell(d.Consumer) + " " + strconv.FormatInt(d.ID, 10)
			list = append(list, one)
		}
		return err
	})
	return list, err
}

func eventShown(ev *pgq.Event) rowShown {
	one := rowShown{ID: int64(ev.ID), Time: ev.Time, Type: ev.Type, Retry: ev.Retry}
	for i, text := range [][]byte{ev.Data, ev.Extra1, ev.Extra2, ev.Extra3, ev.Extra4} {
		if text != nil {
			one.Fields = append(one.Fields, field([]string{"data", "extra1", "extra2", "extra3", "extra4"}[i], string(text)))
		}
	}
	return one
}

// field is a text for people: JSON indented, the rest as it is, long ones cut.
func field(name, text string) fieldShown {
	f := fieldShown{Name: name, Text: text}
	if len(text) > mostText {
		f.Text = strings.ToValidUTF8(text[:mostText], "")
		f.Cut = len(text) - len(f.Text)
	} else if b := new(bytes.Buffer); strings.ContainsAny(text[:min(1, len(text))], "{[") && json.Indent(b, []byte(text), "", "  ") == nil {
		f.Text = b.String()
	}
	f.Text = cleaned(f.Text)
	return f
}

// cleaned has no characters that a browser would obey or not show: controls,
// and marks that turn the direction of what stands after them.
func cleaned(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r):
			return '\uFFFD'
		}
		return r
	}, text)
}

// find says what is wrong with a queue that is asked for: rows are read of
// those only that are shown, whatever else the server has.
func (s shown) find(database, queue string) error {
	if slices.ContainsFunc(s.Queues, func(q queueShown) bool { return q.Database == database && q.Name == queue }) {
		return nil
	}
	return hint.With(fmt.Errorf("%w: %s", pgq.ErrQueueNotFound, queue), "choose one of those that are listed")
}

// showRows is a page of them; the queue is named in the address.
func (s *Server) showRows(name string, read func(ctx context.Context, database, queue string) ([]rowShown, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p := s.page(name)
		p.Rows = &rows{Database: r.FormValue("database"), Queue: r.FormValue("queue"), Most: mostRows}
		status := http.StatusOK
		if p.Rows.Queue != "" {
			err := p.Shown.find(p.Rows.Database, p.Rows.Queue)
			if err == nil {
				p.Rows.List, err = read(r.Context(), p.Rows.Database, p.Rows.Queue)
			}
			switch {
			case errors.Is(err, pgq.ErrQueueNotFound):
				status = http.StatusNotFound
			case err != nil:
				status = http.StatusServiceUnavailable
			}
			if err != nil {
				p.Rows.Error, p.Rows.Hint, p.Rows.List = cleaned(err.Error()), hint.Of(err), nil
			}
		}
		s.render(w, status, "frame", p)
	}
}
