package londiste

import (
	"context"
	"time"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/loop"
	"github.com/skytools-go/skytools/londiste/set"
)

// Sync is how far tables are from being in sync.
type Sync struct {
	Done    bool              `json:"done"`    // all are, but for those aside
	Aside   int               `json:"aside"`   // tables that the worker leaves aside: only a command brings them back
	Running bool              `json:"running"` // the worker: else nothing goes on
	Tables  []TableSync       `json:"tables"`
	Total   *set.CopyProgress `json:"total"` // of the copies that are under way; nil: there are none
	// Problems are errors that the worker and its copies met last, and try again.
	Problems []Problem `json:"problems"`
}

// TableSync is one table of it.
type TableSync struct {
	Name  string            `json:"name"`
	State string            `json:"state"` // as subscriber tables shows it
	OK    bool              `json:"in_sync"`
	Copy  *set.CopyProgress `json:"copy"` // nil: none was made
}

// WaitSync calls show with how far the selected tables are, or all, once
// every pause until they are in sync, and returns what it showed last. A
// subscriber that goes away meanwhile is asked again.
func (b *Subscriber) WaitSync(ctx context.Context, sel Selection, pause time.Duration, show func(*Sync)) (*Sync, error) {
	s, err := b.openSubscriber(ctx, false)
	if err != nil {
		return nil, err
	}
	defer func() {
		if s != nil {
			s.close()
		}
	}()
	last, err := b.readSync(ctx, s, sel)
	if err != nil {
		return nil, err // no such table, say
	}
	for {
		show(last)
		if last.Done {
			return last, nil
		}
		if err := loop.Sleep(ctx, pause, nil); err != nil {
			return last, err
		}
		if s == nil {
			if s, err = b.openSubscriber(ctx, false); err != nil {
				b.Logger().Warn("Cannot look, trying again: " + err.Error())
				continue
			}
		}
		now, err := b.readSync(ctx, s, sel)
		switch {
		case err == nil:
			last = now
		case s.conn.IsClosed():
			b.Logger().Warn("Cannot look, trying again: " + err.Error())
			s = nil
		default:
			return last, err
		}
	}
}

func (b *Subscriber) readSync(ctx context.Context, s *session, sel Selection) (*Sync, error) {
	list, err := s.localTables(ctx)
	if err != nil {
		return nil, err
	}
	byName := map[ident.Name]*set.Table{}
	var known []ident.Name
	for i, t := range list {
		byName[t.Name] = &list[i]
		known = append(known, t.Name)
	}
	if sel.empty() {
		sel.All = true
	}
	names, err := pickRegistered(sel, known, "Table", "subscriber")
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, hint.With(refusal("No tables are replicated"), "subscriber add TABLE… has some replicated")
	}
	copies, err := set.ReadProgress(ctx, s.conn, s.queue)
	if err != nil {
		return nil, err
	}
	st := &Status{Consumer: b.ConsumerName()}
	if err := s.workerStatus(ctx, st); err != nil {
		return nil, err
	}
	if err := s.errorStatus(ctx, st); err != nil {
		return nil, err
	}
	y := &Sync{Done: true, Running: st.Worker != nil && st.Worker.Running, Problems: st.Problems}
	for _, n := range names {
		t := byName[n]
		one := TableSync{Name: n.String(), State: t.Shown(), OK: t.State.Phase == set.OK && !t.Aside() && t.Part == nil, Copy: copies[n]}
		switch {
		case t.Aside():
			y.Aside++
		case !one.OK:
			y.Done = false
			y.count(one.Copy)
		}
		y.Tables = append(y.Tables, one)
	}
	if y.Total != nil {
		y.Total.EstimateAll()
	}
	return y, nil
}

// count adds a copy that is under way to the total.
func (y *Sync) count(p *set.CopyProgress) {
	if p == nil {
		return
	}
	if y.Total == nil {
		y.Total = &set.CopyProgress{Started: p.Started}
	}
	y.Total.Add(p)
}
