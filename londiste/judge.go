package londiste

import "strings"

// judge names what wants doing, each with the command that mends it.
func (st *Status) judge() {
	if q := st.Events; q != nil {
		switch {
		case q.Paused:
			st.problem("pgqadm INI config "+st.Queue+" ticker_paused=0", "the ticker of queue %s is paused", st.Queue)
		case q.TickAge > 120:
			st.problem("pgqadm INI ticker -d", "queue %s has had no tick for %.0f s: the ticker does not run", st.Queue, q.TickAge)
		}
	}
	st.judgeReaders()
	for _, t := range st.Tables {
		if t.Drift != "" {
			st.problem("londiste INI provider add "+t.Name+"; londiste INI subscriber resync "+t.Name,
				"table %s is drifted: %s", t.Name, t.Drift)
		}
		if len(t.Disabled) > 0 {
			st.problem("londiste INI subscriber restore-triggers "+t.Name+", if they may fire on replicated rows",
				"triggers of table %s are disabled: %s", t.Name, strings.Join(t.Disabled, ", "))
		}
		if t.Here && !t.Provider && st.Provider.Installed {
			st.problem("londiste INI subscriber remove "+t.Name, "table %s is not registered at the provider any more", t.Name)
		}
		if t.Counters.Fallbacks > 0 || t.Counters.Diverged > 0 {
			st.problem("", "table %s: %d times applied row by row, %d rows were not as expected and were set right",
				t.Name, t.Counters.Fallbacks, t.Counters.Diverged)
		}
	}
}

func (st *Status) judgeReaders() {
	if !st.Provider.Installed {
		return
	}
	mine := false
	for _, r := range st.Readers {
		if r.Kind != "this" {
			continue
		}
		mine = true
		if r.Seen > 60 && st.Events != nil && r.LastTick < st.Events.LastTick {
			st.problem("londiste INI replay -d", "consumer %s has not been seen for %.0f s: replay does not run, and its events fill the queue", r.Name, r.Seen)
		}
	}
	if !mine && st.Subscriber.Installed {
		st.problem("londiste INI replay -d", "consumer %s is not registered: replay has never run, or subscriber unregister has", st.Consumer)
	}
}
