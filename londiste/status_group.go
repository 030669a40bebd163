package londiste

import (
	"cmp"
	"slices"
	"strings"
)

// Words for tables that have no state at the subscriber.
const (
	NotHere = "not here" // registered at the provider only
	Waiting = "waiting"  // its copy has not begun
)

// StateGroup is the tables that are in one state.
type StateGroup struct {
	State  string
	Tables []TableStatus
}

// TableStates are all the words of [Status.ByState]: what wants doing, what is under
// way, the rest.
var TableStates = []string{
	"parked", "given-up", "resyncing", Waiting, "in-copy", "catching-up", "wanna-sync", "do-sync", "ok", NotHere,
}

// ByState sorts the tables under their states, those first that want doing or
// are under way; a tick that is part of a state is left out.
func (st *Status) ByState() []StateGroup {
	var groups []StateGroup
	for _, t := range st.Tables {
		state, _, _ := strings.Cut(t.State, ":")
		switch {
		case !t.Here:
			state = NotHere
		case state == "-":
			state = Waiting
		}
		i := slices.IndexFunc(groups, func(g StateGroup) bool { return g.State == state })
		if i < 0 {
			i = len(groups)
			groups = append(groups, StateGroup{State: state})
		}
		groups[i].Tables = append(groups[i].Tables, t)
	}
	slices.SortStableFunc(groups, func(a, b StateGroup) int {
		return cmp.Compare(slices.Index(TableStates, a.State), slices.Index(TableStates, b.State))
	})
	return groups
}
