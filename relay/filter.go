package relay

import (
	"context"
	"fmt"
	"slices"

	"github.com/skytools-go/skytools/pgq"
)

// Filter chooses among the events of a batch. The zero value wants all.
type Filter struct {
	Tables []string // names of tables in ev_extra1; none: any
	// Where is a condition in SQL over an event's columns, "" for none. It is
	// the server's to judge, over a connection to the queue's database.
	Where  string
	Source *Target
}

// of returns what tells of each event whether it is wanted.
func (f Filter) of(ctx context.Context, b *pgq.Batch) (func(pgq.Event) bool, error) {
	table := func(ev pgq.Event) bool { return len(f.Tables) == 0 || slices.Contains(f.Tables, string(ev.Extra1)) }
	if f.Where == "" {
		return table, nil
	}
	chosen, err := f.chosen(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("consumer_filter: %w", err)
	}
	return func(ev pgq.Event) bool { return table(ev) && chosen[ev.ID] }, nil
}

func (f Filter) chosen(ctx context.Context, b *pgq.Batch) (map[pgq.EventID]bool, error) {
	tx, err := f.Source.Begin(ctx)
	if err != nil {
		return nil, err
	}
	defer tx.Rollback(context.WithoutCancel(ctx)) // it only read: the error does not matter
	ids, err := pgq.BatchEventIDs(ctx, tx, b.ID, f.Where)
	if err != nil {
		return nil, err
	}
	chosen := map[pgq.EventID]bool{}
	for _, id := range ids {
		chosen[id] = true
	}
	return chosen, nil
}
