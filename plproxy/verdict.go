package plproxy

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/skytools-go/skytools/londiste"
)

// goodLooks is how many looks in a row have to find a replica well before it
// comes back.
const goodLooks = 3

// verdict is whether a replica gets reads, and why not.
type verdict struct {
	in   bool
	why  string // of the last look; "" where nothing is wrong
	last londiste.Lag
	seen bool // last holds something
	good int  // looks in a row that found it well
}

// note takes a look in and tells whether it changes the verdict. The first one
// decides by itself.
func (v *verdict) note(lag londiste.Lag, err error, most time.Duration, now time.Time) (changed bool) {
	first := v.why == "" && !v.seen
	if _, alone := errors.AsType[*londiste.ProviderError](err); alone && v.seen {
		// The replica answers, and its rows are as old as they were, and growing older.
		lag.At, lag.Behind, err = v.last.At, v.last.Behind, nil
	}
	age := lag.Now(now)
	switch {
	case err != nil:
		v.why = "it cannot be told how late it is: " + strings.Join(strings.Fields(err.Error()), " ")
	case len(lag.Parked) > 0:
		v.why = "parked tables: " + strings.Join(lag.Parked, ", ")
	case len(lag.Copying) > 0:
		v.why = "tables being copied: " + strings.Join(lag.Copying, ", ")
	case age > most:
		v.why = fmt.Sprintf("late: up to %s, %s is allowed", age.Round(time.Millisecond), most)
	default:
		v.why = ""
	}
	if err == nil {
		v.last, v.seen = lag, true
	}
	was := v.in
	switch {
	case v.why != "":
		v.in, v.good = false, 0
	case first:
		v.in = true
	case !v.in && age > most*3/4:
		v.good = 0
	case !v.in:
		v.good++
		v.in = v.good >= goodLooks
	}
	return first || v.in != was
}
