package londiste

import (
	"fmt"
	"strings"
	"time"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/noun"
)

// judge names what wants doing, each with the command that mends it.
func (st *Status) judge() {
	if q := st.Events; q != nil {
		switch {
		case q.Paused:
			st.problem(Ticker, "pgqadm INI config "+hint.Shell(st.Queue)+" ticker_paused=0", "the ticker of queue %s is paused", st.Queue)
		case q.Late:
			st.problem(Ticker, "pgqadm INI ticker -d; where one runs, pgqadm INI doctor says what keeps it",
				"queue %s has had no tick for %.0f s (events that wait for one: %d): the ticker does not run", st.Queue, q.TickAge, q.NewEvents)
		}
		if q.Oldest.Long() {
			st.problem(Ticker, q.Oldest.Mend, "provider: %s", q.Oldest)
		}
	}
	st.judgeWorker()
	for i := range st.Tables {
		st.judgeTable(&st.Tables[i])
	}
}

func (st *Status) judgeTable(t *TableStatus) {
	name := hint.Shell(t.Name)
	if t.Drift != "" {
		st.problem(Drift, "londiste INI provider add "+name+"; londiste INI subscriber resync "+name,
			"table %s is drifted: %s", t.Name, t.Drift)
	}
	if t.Parked != nil {
		st.judgeParked(t)
	}
	if t.Passed > 0 {
		st.problem(PassedOver, "londiste INI subscriber resync "+name+" copies it anew",
			"table %s: subscriber skip passed over %s, its rows may differ", t.Name, noun.Count(t.Passed, "event"))
	}
	if len(t.Disabled) > 0 {
		st.problem(Triggers, "londiste INI subscriber restore-triggers "+name+", if they may fire on replicated rows",
			"triggers of table %s are disabled: %s", t.Name, strings.Join(t.Disabled, ", "))
	}
	if t.Here && !t.Provider && st.Provider.Installed {
		st.problem(Unregistered, "londiste INI subscriber remove "+name, "table %s is not registered at the provider any more", t.Name)
	}
	if t.Counters.Diverged > 0 {
		st.problem(Diverged, "find out who else writes to it; londiste INI subscriber resync "+name+" copies it anew",
			"table %s: not as expected at the subscriber, and set right: %s", t.Name, noun.Count(t.Counters.Diverged, "row"))
	}
	if t.Different != nil {
		st.problem(Different, "londiste INI repair "+name+" --apply, then londiste INI compare "+name,
			"table %s has been found different since %s", t.Name, t.Different.Local().Format(time.DateTime))
	}
}

// judgeParked says why a table is left aside and the ways back.
func (st *Status) judgeParked(t *TableStatus) {
	p, name := t.Parked, hint.Shell(t.Name)
	retry := "londiste INI subscriber retry " + name
	since := p.Since.Local().Format(time.DateTime)
	what := p.Error
	if p.Statement != "" {
		what += "\nstatement: " + p.Statement
	}
	switch {
	case p.GivenUp != "":
		st.problem(Parked, "mend the cause, then londiste INI subscriber resync "+name,
			"table %s is parked since %s, and its events are kept no longer: %s\n%s", t.Name, since, p.GivenUp, what)
	case p.RetriedAt != nil:
		st.problem(Parked, "", "table %s, parked at %s, is being retried: %s", t.Name, since, t.State)
	case p.With != "":
		st.problem(Parked, "londiste INI subscriber retry "+hint.Shell(p.With)+" brings back both",
			"table %s is parked at tick %d since %s, because it refers to table %s", t.Name, p.Tick, since, p.With)
	default:
		mend := "mend the cause, then " + retry
		if p.Event != 0 {
			mend += fmt.Sprintf("; without that one change: londiste INI subscriber skip %s %d", name, p.Event)
		}
		st.problem(Parked, mend+"; subscriber resync copies the table anew", "table %s is parked at tick %d since %s: %s", t.Name, p.Tick, since, what)
	}
}

func (st *Status) judgeWorker() {
	if !st.Subscriber.Installed {
		return
	}
	var mine *ReaderStatus
	for i := range st.Readers {
		if st.Readers[i].Kind == "this" {
			mine = &st.Readers[i]
		}
	}
	start := "londiste INI replay -d"
	if st.Worker != nil && st.Worker.Error != "" {
		start = "first what its error wants, then " + start
	}
	switch {
	case st.Provider.Installed && mine == nil && st.Worker != nil && st.Worker.Error != "": // which tells the way back
	case st.Provider.Installed && mine == nil && st.Worker != nil && st.Worker.Running:
		st.problem(Replay, "replay finds it out by itself; look at status again", "consumer %s is not registered at the provider", st.Consumer)
	case st.Provider.Installed && mine == nil:
		st.problem(Replay, start, "consumer %s is not registered: replay has never run, or subscriber unregister has", st.Consumer)
	case st.Worker == nil || !st.Worker.Running:
		behind := ""
		if mine != nil {
			behind = ", and the provider keeps its events"
		}
		st.problem(Replay, start, "replay does not run for consumer %s%s", st.Consumer, behind)
	}
}
