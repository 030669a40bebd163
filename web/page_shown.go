package web

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/skytools-go/skytools/doctor"
	"github.com/skytools-go/skytools/internal/cli"
	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/noun"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/set"
	"github.com/skytools-go/skytools/pgq"
)

// shown is a snapshot in the words of the pages.
type shown struct {
	Now      time.Time
	Empty    bool   // nothing has been read yet
	Stale    string // why what is shown is older than it should be; "": it is not
	Tone     string // good, warn, bad: the state in a word
	Verdict  string
	Set      *londiste.Status // as both sides told it last
	Groups   []londiste.StateGroup
	Queues   []queueShown
	Problems []londiste.Problem
	Tickers  []tickerShown
	Oldest   []oldestShown
}

type tickerShown struct{ Database, Word, Text, Tone string }

type oldestShown struct {
	Database, Who string
	Age           time.Duration
	Long          bool
}

// queueShown is one queue, whether of a subscription or of a database.
type queueShown struct {
	Database, Name  string
	Tick            int64
	TickAge         time.Duration
	Rate            float64
	New, Kept       int64
	Tables          int
	Size            int64
	Budget          int64 // bytes; 0: none
	Rotated, Period time.Duration
	State           string
	Consumers       []consumerShown
	Stale           bool
}

type consumerShown struct {
	Name, Kind, Note, Tone string
	Lag, Seen              time.Duration
	Pending, Bytes         int64
}

// show takes a snapshot apart. Where a side did not answer, the set is that of
// the last look which reached both, and Stale says so.
func show(snap *Snapshot, now time.Time, every time.Duration) shown {
	s := shown{Now: now, Empty: snap.At.IsZero()}
	if s.Empty {
		s.Tone, s.Verdict = "warn", "The first look is under way"
		return s
	}
	s.Set = snap.Set
	if snap.Set != nil {
		s.Problems = append(s.Problems, snap.Set.Problems...)
		if !snap.Set.Reachable() && snap.Whole != nil {
			s.Set = snap.Whole
			s.Stale = "Below is the state of " + snap.WholeAt.UTC().Format(time.TimeOnly) + " UTC, " + ageText(now.Sub(snap.WholeAt)) + " ago."
		}
		s.addSet(s.Set)
	}
	for _, db := range snap.Databases {
		s.addDatabase(db, now)
	}
	if snap.Err != nil {
		s.Problems = append(s.Problems, londiste.Problem{Text: snap.Err.Error(), Mend: hint.Of(snap.Err)})
	}
	if age := snap.Age(now); age > 2*every+lookLimit {
		s.Stale = "No look at the databases has ended for " + ageText(age) + ". Below is what the last one found."
	}
	s.judge(snap)
	return s
}

// mostProblems are shown of all: thousands of tables may have the same one.
const mostProblems = 100

// Foremost are the problems that are shown.
func (s shown) Foremost() []londiste.Problem { return s.Problems[:min(len(s.Problems), mostProblems)] }

// Rest is how many are not.
func (s shown) Rest() int64 { return int64(len(s.Problems) - len(s.Foremost())) }

func (s *shown) addSet(st *londiste.Status) {
	s.Groups = st.ByState()
	q := st.Events
	if q == nil {
		return
	}
	one := queueShown{
		Name: st.Queue, Tick: q.LastTick, TickAge: seconds(q.TickAge), Rate: q.EventsPerSec, New: q.NewEvents, Kept: q.Kept, Tables: q.Tables,
		Size: q.Size, Rotated: seconds(q.RotatedAge), Period: seconds(q.Rotation), Stale: s.Stale != "",
	}
	if q.Budget != nil {
		one.Budget = *q.Budget
	}
	if q.Paused {
		one.State = "ticker paused"
	}
	for _, r := range st.Readers {
		c := consumerShown{Name: r.Name, Kind: r.Kind, Note: r.Database, Lag: seconds(r.Behind()), Seen: seconds(r.Seen), Pending: r.Pending, Bytes: r.Bytes}
		if r.Kind == "this" && st.Lag != nil {
			c.Lag = seconds(*st.Lag) // the provider is told later than it is applied
		}
		c.Tone = lagTone(c.Lag)
		one.Consumers = append(one.Consumers, c)
	}
	s.Queues = append(s.Queues, one)
	s.addOldest("", q.Oldest)
}

func (s *shown) addDatabase(db Database, now time.Time) {
	if db.Err != nil {
		text := "database " + db.Name + ": " + db.Err.Error()
		if db.Status != nil {
			text += "; what is shown of it is " + ageText(now.Sub(db.At)) + " old"
		}
		s.Problems = append(s.Problems, londiste.Problem{Text: text, Mend: hint.Of(db.Err)})
	}
	if db.Status == nil {
		return
	}
	for _, p := range db.Status.Problems() {
		s.Problems = append(s.Problems, londiste.Problem{Text: "database " + db.Name + ": " + p.Text, Mend: p.Mend})
	}
	s.addTickers(db.Name, db.Status)
	s.addOldest(db.Name, db.Status.OldestTransaction)
	for i := range db.Status.Queues {
		q := &db.Status.Queues[i]
		one := queueShown{
			Database: db.Name, Name: q.Name, Tick: int64(q.LastTick), TickAge: q.TickerLag, Rate: q.EventsPerSec, New: q.NewEvents,
			Kept: q.EventsKept, Tables: q.Tables, Size: q.Size, Budget: db.Status.Budget(q.Name),
			Rotated: q.RotatedAgo, Period: q.RotationPeriod, State: strings.Join(q.State(), ", "), Stale: db.Err != nil,
		}
		for _, c := range q.Consumers {
			shown := consumerShown{
				Name: c.Name, Kind: "other", Note: strings.Join(c.State(), ", "), Tone: lagTone(c.Behind()), Lag: c.Behind(), Seen: c.LastSeen,
				Pending: c.PendingEvents, Bytes: c.PendingBytes,
			}
			if c.Bookkeeping() {
				shown.Kind, shown.Tone = "bookkeeping", "idle"
				shown.Note = strings.TrimPrefix(shown.Note+", moved by maintenance", ", ")
			}
			one.Consumers = append(one.Consumers, shown)
		}
		s.Queues = append(s.Queues, one)
	}
}

func (s *shown) addTickers(database string, st *doctor.Status) {
	for _, t := range st.Tickers {
		one := tickerShown{database, "stands by", t.String(), "busy"}
		if t.Leads {
			one.Word, one.Tone = "ticks", "good"
		}
		s.Tickers = append(s.Tickers, one)
	}
	for _, t := range st.OtherTickers {
		s.Tickers = append(s.Tickers, tickerShown{database, "another program", t.String(), "warn"})
	}
}

func (s *shown) addOldest(database string, t *pgq.Transaction) {
	if t == nil {
		return
	}
	s.Oldest = append(s.Oldest, oldestShown{database, cmp.Or(t.Who, "this role may not see whose it is"), time.Duration(t.Age), t.Long()})
}

// judge says how it stands, in words that change only when the state does:
// a screen reader reads each change aloud.
func (s *shown) judge(snap *Snapshot) {
	problems := noun.Count(len(s.Problems), "problem")
	switch set := snap.Set; {
	case snap.Trouble() != nil && set != nil && !set.Reachable():
		s.Tone, s.Verdict = "bad", "A server does not answer"
	case snap.Trouble() != nil:
		s.Tone, s.Verdict = "bad", "A database does not answer"
	case s.Stale != "":
		s.Tone, s.Verdict = "bad", "What is shown is old"
	case set != nil && set.Parked():
		s.Tone, s.Verdict = "bad", "Tables are parked, "+problems
	case set != nil && !set.Consistent:
		s.Tone, s.Verdict = "warn", "Not all tables are in sync"
	case len(s.Problems) > 0:
		s.Tone, s.Verdict = "warn", "Running, "+problems
	case set != nil:
		s.Tone, s.Verdict = "good", "All tables are in sync"
	default:
		s.Tone, s.Verdict = "good", "All is well"
	}
}

// StateTone is the tone of a table's state.
func (s shown) StateTone(state string) string {
	switch {
	case state == "ok":
		return "good"
	case slices.Contains([]string{"parked", "given-up"}, state):
		return "bad"
	case slices.Contains([]string{londiste.Waiting, londiste.NotHere}, state):
		return "idle"
	}
	return "busy"
}

// remarks are what is out of the ordinary with a table.
func remarks(t londiste.TableStatus) []string {
	var list []string
	for _, r := range []struct {
		is   bool
		text string
	}{
		{t.Parked != nil, parkedWhy(t.Parked)},
		{t.Resync != nil, fmt.Sprint(t.Resync)},
		{t.Drift != "", "drifted: " + t.Drift},
		{!t.Provider, "not at provider"},
		{t.Passed > 0, fmt.Sprintf("%d passed over", t.Passed)},
		{t.Counters.Skipped > 0, fmt.Sprintf("%d skipped", t.Counters.Skipped)},
		{t.Counters.Fallbacks > 0, noun.Count(t.Counters.Fallbacks, "time") + " row by row"},
		{len(t.Disabled) > 0, noun.Count(len(t.Disabled), "trigger") + " disabled"},
		{t.Waiting > 0, fmt.Sprintf("indexes or constraints to come: %d", t.Waiting)},
	} {
		if r.is {
			list = append(list, r.text)
		}
	}
	return list
}

// parkedWhy is why a table is left aside, in a line.
func parkedWhy(p *set.ParkedTable) string {
	if p == nil {
		return ""
	}
	first, _, _ := strings.Cut(p.Error, "\n")
	if first == "" && p.With != "" {
		return "parked with " + p.With
	}
	return cmp.Or(first, "parked")
}

// Over tells that the queue is larger than its budget.
func (q queueShown) Over() bool { return q.Budget > 0 && q.Size > q.Budget }

func lagTone(d time.Duration) string {
	switch {
	case d > 5*time.Minute:
		return "bad"
	case d > 30*time.Second:
		return "warn"
	}
	return "good"
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func ageText(d time.Duration) string { return cli.Age(d).Text }

// secondsText is a number of seconds, "?" for one that is not known.
func secondsText(s *float64) string {
	if s == nil {
		return "?"
	}
	return ageText(seconds(*s))
}

// grouped is a number with thin blanks between its thousands.
func grouped(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return text
}
