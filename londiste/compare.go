package londiste

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/compare"
	"github.com/skytools-go/skytools/internal/failpoint"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/londiste/set"
)

// CompareOptions say how tables are compared.
type CompareOptions struct {
	Jobs      int           // connections that read, at each end; 0 means 1
	Yield     bool          // give way to others at work on the servers
	MaxRate   int64         // bytes of a table a second; 0: no limit
	Where     string        // a condition that rows fulfil
	CountOnly bool          // counts and sums, no rows
	Patience  time.Duration // how long to wait for a server to answer, and for the worker to come to a tick; 0 means 60 s
	// Each is told each row that differs; may be nil.
	Each func(table ident.Name, d RowDifference) error
	// Again is called where the table under way is compared once more: what Each
	// was told of it does not count. May be nil.
	Again func() error
}

// RowDifference is a row that differs: see package internal/compare.
type RowDifference = compare.Difference

// The ways in which a row differs.
const (
	RowMissing   = compare.Missing
	RowExtra     = compare.Extra
	RowDiffering = compare.Differing
)

// Comparison is what was found of one table, at one tick.
type Comparison struct {
	Table      ident.Name `json:"table"`
	Tick       int64      `json:"tick"`
	At         time.Time  `json:"at"` // of the tick
	Equal      bool       `json:"equal"`
	Provider   int64      `json:"provider_rows"`
	Subscriber int64      `json:"subscriber_rows"`
	Missing    int64      `json:"missing"` // at the subscriber
	Extra      int64      `json:"extra"`
	Differing  int64      `json:"differing"`
	Notes      []string   `json:"notes,omitempty"`
	Shared     []string   `json:"shared_with,omitempty"` // other queues that fill the table: extra rows may be theirs
	Skipped    string     `json:"skipped,omitempty"`     // why it was not compared
	Error      string     `json:"error,omitempty"`
	Bytes      int64      `json:"bytes"`
	Seconds    float64    `json:"seconds"`
}

// Agrees tells that nothing is known to be wrong: the rows are equal, or those that
// are not are extra ones of a table that another queue fills as well.
func (c *Comparison) Agrees() bool {
	return c.Equal || len(c.Shared) > 0 && c.Extra > 0 && c.Missing+c.Differing == 0
}

// Compare compares tables of the set, those that are ok here where none are
// named, one after another, each at a tick of its own; done is told of each.
// Nothing is locked and nothing stands still for it.
func (b *Subscriber) Compare(ctx context.Context, sel Selection, o CompareOptions, done func(Comparison) error) error {
	var names []ident.Name
	var ends [2]*compare.End
	err := o.reach(ctx, func(ctx context.Context) (err error) {
		if names, err = b.comparable(ctx, sel); err == nil {
			ends, err = b.openEnds(ctx, o.Jobs)
		}
		return err
	})
	if err != nil {
		return err
	}
	defer func() {
		for _, e := range ends {
			e.Close()
		}
	}()
	for _, name := range names {
		res, err := b.compareTable(ctx, ends, name, o)
		if err != nil {
			return err
		}
		if err := done(*res); err != nil {
			return err
		}
	}
	return nil
}

// patience is Patience or its default.
func (o CompareOptions) patience() time.Duration {
	if o.Patience <= 0 {
		return time.Minute
	}
	return o.Patience
}

// reach runs what opens connections; a server that does not answer is not waited
// for longer than Patience.
func (o CompareOptions) reach(ctx context.Context, open func(context.Context) error) error {
	return within(ctx, time.Now().Add(o.patience()), o.patience(), open)
}

// within gives up at a deadline, which patience ends.
func within(ctx context.Context, deadline time.Time, patience time.Duration, open func(context.Context) error) error {
	bounded, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	err := open(bounded)
	if err != nil && bounded.Err() != nil && ctx.Err() == nil {
		return hint.With(fmt.Errorf("no answer within %s: %w", patience, err), "is the server reachable and not overloaded? --timeout waits longer")
	}
	return err
}

// ErrNotSubscribed is wrapped where a table is named that the subscriber has not.
var ErrNotSubscribed = errors.New("not subscribed to")

// comparable are the tables that a selection means.
func (b *Subscriber) comparable(ctx context.Context, sel Selection) ([]ident.Name, error) {
	s, err := b.openSubscriber(ctx, false)
	if err != nil {
		return nil, err
	}
	defer s.close()
	list, err := s.localTables(ctx)
	if err != nil {
		return nil, err
	}
	var names []ident.Name
	for _, t := range list {
		names = append(names, t.Name)
	}
	sel.All = len(sel.Names) == 0
	p, err := sel.pick(names)
	if err != nil {
		return nil, err
	}
	if len(p.absent) > 0 {
		return nil, hint.With(fmt.Errorf("%w: %s", ErrNotSubscribed, joinNames(p.absent)), "londiste INI subscriber tables lists what is")
	}
	if len(p.unknown) > 0 {
		return nil, hint.With(fmt.Errorf("%w: no table matches %s", ErrNotSubscribed, p.unknown[0]), "londiste INI subscriber tables lists what is")
	}
	return p.names, nil
}

func (b *Subscriber) openEnds(ctx context.Context, jobs int) (ends [2]*compare.End, err error) {
	for i, c := range []struct {
		side string
		cfg  *pgx.ConnConfig
	}{{"provider", b.Provider}, {"subscriber", b.Pair.Subscriber}} {
		if ends[i], err = compare.Open(ctx, c.side, c.cfg, jobs); err != nil {
			if i == 1 {
				ends[0].Close()
			}
			return ends, err
		}
	}
	return ends, nil
}

// compareTrials is how often a table that was rewritten or emptied under our
// eyes is looked at again, at another tick.
const compareTrials = 5

func (b *Subscriber) compareTable(ctx context.Context, ends [2]*compare.End, name ident.Name, o CompareOptions) (*Comparison, error) {
	for trial := 1; ; trial++ {
		res, err := b.compareOnce(ctx, ends, name, o)
		if err == nil || res == nil {
			return res, err
		}
		if o.Again != nil {
			if err := o.Again(); err != nil {
				return nil, err
			}
		}
		if errors.Is(err, compare.ErrRewritten) && trial < compareTrials {
			b.Logger().Info("The table was rewritten or emptied meanwhile: comparing it again", "table", name.String())
			continue
		}
		res.Error = err.Error()
		return res, nil
	}
}

// ofTable tells whether an error stands in the way of one table, and not of all.
func ofTable(err error, ends [2]*compare.End) bool {
	if ends[0].Broken() || ends[1].Broken() {
		return false
	}
	state := set.SQLState(err)
	return state == "" || !slices.Contains([]string{"08", "40", "53", "57", "58", "F0", "XX"}, state[:2])
}

// compareOnce compares at one tick. With an error that is only the table's it
// returns the Comparison as well.
func (b *Subscriber) compareOnce(ctx context.Context, ends [2]*compare.End, name ident.Name, o CompareOptions) (*Comparison, error) {
	m, err := openMoment(ctx, &b.Pair, o.patience())
	if err != nil {
		return nil, err
	}
	defer m.close()
	ends[0].Snapshot, ends[1].Snapshot = m.provSnapshot, m.subSnapshot
	c := &Comparison{Table: name, Tick: int64(m.tick.ID), At: m.tick.Time}
	table, skipped, err := m.table(ctx, &b.Pair, name)
	if err != nil {
		return nil, err
	}
	if c.Skipped = skipped; skipped != "" {
		return c, nil
	}
	shared, err := set.Shared(ctx, m.sub, b.Queue)
	if err != nil {
		return nil, err
	}
	c.Shared = shared[table.Subscriber]
	table.Where = o.Where
	var told error // by who is told of rows
	var each func(compare.Difference) error
	if o.Each != nil {
		each = func(d compare.Difference) error {
			told = o.Each(name, d)
			return told
		}
	}
	res, err := compare.Compare(ctx, ends[0], ends[1], *table, compare.Options{
		Pace: compare.Pace{Yield: o.Yield, MaxRate: o.MaxRate}, CountOnly: o.CountOnly, Each: each,
	})
	if err != nil {
		if told != nil || ctx.Err() != nil || !ofTable(err, ends) {
			return nil, err
		}
		return c, err
	}
	c.Equal, c.Provider, c.Subscriber, c.Notes = res.Equal, res.Provider, res.Subscriber, res.Notes
	if len(c.Shared) > 0 {
		c.Notes = append(c.Notes, "queue "+strings.Join(c.Shared, ", ")+" fills the table as well: extra rows may be of that, and repair leaves them")
	}
	c.Missing, c.Extra, c.Differing = res.Missing, res.Extra, res.Differing
	c.Bytes, c.Seconds = res.Bytes, res.Duration.Seconds()
	unclear := len(c.Shared) > 0 && o.CountOnly && !c.Equal // whose rows differ is not told
	if o.Where == "" && !unclear {
		if err := c.note(ctx, m.work, b.Queue); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// table tells what is compared with what, or why nothing is, as both sides
// have it at the moment: the state of a table belongs to its rows.
func (m *moment) table(ctx context.Context, p *set.Pair, name ident.Name) (*compare.Table, string, error) {
	here, found, err := set.OneTable(ctx, m.sub, p.Queue, name)
	if err != nil {
		return nil, "", fmt.Errorf("subscriber: %w", err)
	}
	if !found || !here.Local {
		return nil, "not subscribed to any more", nil
	}
	parked, err := set.ReadParked(ctx, m.sub, p.Queue, name)
	if err != nil {
		return nil, "", fmt.Errorf("subscriber: %w", err)
	}
	here.Parked = parked
	if here.State.Phase != set.OK || parked != nil {
		return nil, "its state is " + here.Shown() + ", not ok", nil
	}
	there, found, err := set.OneTable(ctx, m.prov, p.Queue, name)
	if err != nil {
		return nil, "", fmt.Errorf("provider: %w", err)
	}
	if !found || !there.Local {
		return nil, "not attached at the provider any more", nil
	}
	t := &compare.Table{Provider: there.Dest, Subscriber: here.Dest}
	if t.Key, _, err = set.EventKey(ctx, m.prov, p.Queue, there.Dest); err != nil {
		return nil, "", err
	}
	slices.Sort(t.Key)
	return t, "", nil
}

// note writes down at the subscriber what was found.
func (c *Comparison) note(ctx context.Context, conn *pgx.Conn, queue string) error {
	return set.InTx(ctx, conn, failpoint.Compare, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			insert into skytools.compared_table as t (queue_name, table_name, tick_id, compared_at, equal_at,
				different_since, missing, extra, differing)
			values ($1, $2, $3, $4, case when $5 then $4::timestamptz end, case when not $5 then $4::timestamptz end, $6, $7, $8)
			on conflict (queue_name, table_name) do update
			set tick_id = excluded.tick_id, compared_at = excluded.compared_at,
				equal_at = coalesce(excluded.equal_at, t.equal_at),
				different_since = case when $5 then null else coalesce(t.different_since, excluded.different_since) end,
				missing = excluded.missing, extra = excluded.extra, differing = excluded.differing
			where t.tick_id <= excluded.tick_id`,
			queue, c.Table.String(), c.Tick, c.At, c.Agrees(), c.Missing, c.Extra, c.Differing)
		return err
	})
}
