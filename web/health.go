package web

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/pgq"
)

// health says that the process lives; what its databases do does not matter.
func (s *Server) health(w http.ResponseWriter, r *http.Request) {
	if accepts(r, "text/plain") {
		w.Header().Set("Cache-Control", "no-store")
		fmt.Fprintln(w, "alive")
		return
	}
	writeJSON(w, http.StatusOK, struct {
		Status  string  `json:"status"`
		Program string  `json:"program"`
		Version string  `json:"version"`
		Uptime  float64 `json:"uptime_seconds"`
	}{"alive", s.Program, s.Version, time.Since(s.started).Round(time.Millisecond).Seconds()})
}

// ready says whether the work is done that the program is for.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	reasons := s.notReady(time.Now())
	verdict := struct {
		Ready   bool     `json:"ready"`
		Reasons []string `json:"reasons"`
		Age     float64  `json:"age_seconds"`
	}{len(reasons) == 0, reasons, s.Snapshot().Age(time.Now()).Seconds()}
	decide(w, r, verdict.Ready, append([]string{word(verdict.Ready, "ready", "not ready")}, reasons...), verdict)
}

// notReady names what keeps the work from being done; none, and it is.
func (s *Server) notReady(now time.Time) []string {
	snap := s.Snapshot()
	reasons := []string{}
	switch limit := 2*s.every() + lookLimit; {
	case snap.At.IsZero():
		return append(reasons, "the databases have not been looked at yet")
	case snap.Age(now) > limit:
		reasons = append(reasons, fmt.Sprintf("the databases were last looked at %s ago", snap.Age(now).Round(time.Second)))
	}
	if err := snap.Trouble(); err != nil {
		reasons = append(reasons, strings.Split(err.Error(), "\n")...)
	}
	if st := snap.Set; st != nil && st.Subscriber.Reachable {
		switch {
		case st.Worker == nil || !st.Worker.Running:
			reasons = append(reasons, "no worker replicates: londiste INI replay -d starts it")
		case st.Worker.Error != "":
			reasons = append(reasons, "replication stands still: "+st.Worker.Error)
		}
	}
	for _, db := range snap.Databases {
		if db.Err == nil && db.Status != nil {
			for _, q := range db.Status.Queues {
				if q.Late() {
					reasons = append(reasons, fmt.Sprintf("database %s: the last tick of queue %s is %s old", db.Name, q.Name, pgq.Seconds(q.TickerLag)))
				}
			}
		}
	}
	return reasons
}

// fresh says whether a balancer may send reads here: no row of the subscriber is
// older than it allows, and no table is parked or still to be copied.
func (s *Server) fresh(w http.ResponseWriter, r *http.Request) {
	within, err := parseWithin(r.URL.Query().Get("within"))
	allowed, wrong := parseCopying(r.URL.Query().Get("copying"))
	if err = cmp.Or(err, wrong); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	lag, err := s.lag(r.Context())
	verdict := struct {
		Fresh   bool     `json:"fresh"`
		Lag     *float64 `json:"lag_seconds"` // null: cannot be told
		Within  float64  `json:"within_seconds"`
		Parked  []string `json:"parked_tables"`
		Copying []string `json:"copying_tables"`
		Error   string   `json:"error,omitempty"`
	}{Within: within.Seconds(), Parked: []string{}, Copying: []string{}, Error: text(err)}
	if lag == nil {
		decide(w, r, false, []string{"the lag cannot be told: " + verdict.Error}, verdict)
		return
	}
	now := lag.Now(time.Now())
	seconds := now.Seconds()
	verdict.Lag, verdict.Parked, verdict.Copying = &seconds, append(verdict.Parked, lag.Parked...), append(verdict.Copying, lag.Copying...)
	verdict.Fresh = now <= within && len(lag.Parked) == 0 && (allowed || len(lag.Copying) == 0) && (err == nil || onlyProvider(err))
	lines := []string{fmt.Sprintf("%s: lag at most %s, asked for %s", word(verdict.Fresh, "fresh", "not fresh"), now.Round(time.Millisecond), within)}
	if len(lag.Parked) > 0 {
		lines = append(lines, "parked tables: "+strings.Join(lag.Parked, ", "))
	}
	if len(lag.Copying) > 0 {
		lines = append(lines, "tables being copied: "+strings.Join(lag.Copying, ", "))
	}
	if err != nil {
		lines = append(lines, "the last look failed: "+verdict.Error)
	}
	decide(w, r, verdict.Fresh, lines, verdict)
}

// onlyProvider tells that a look failed at the provider, and the subscriber is well.
func onlyProvider(err error) bool {
	_, is := errors.AsType[*londiste.ProviderError](err)
	return is
}

// parseCopying reads whether tables may be read while they are copied.
func parseCopying(text string) (allowed bool, err error) {
	if text == "" || text == "allow" {
		return text == "allow", nil
	}
	return false, fmt.Errorf("copying=%q is not known: write copying=allow where a table that is being copied may be read, or leave it out", text)
}

// parseWithin reads a duration, or a number of seconds.
func parseWithin(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if seconds, isNumber := strconv.ParseFloat(text, 64); isNumber == nil {
		d, err = time.Duration(seconds*float64(time.Second)), nil
	}
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("within=%q is not how old rows may be: write /fresh?within=500ms, or 2s, or a number of seconds", text)
	}
	return d, nil
}

// decide answers 200 or 503, with lines of text, or JSON where that is asked for.
func decide(w http.ResponseWriter, r *http.Request, good bool, lines []string, verdict any) {
	status := http.StatusOK
	if !good {
		status = http.StatusServiceUnavailable
	}
	if accepts(r, "application/json") {
		writeJSON(w, status, verdict)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	for _, line := range lines {
		fmt.Fprintln(w, ident.Visible(line))
	}
}

func word(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}
