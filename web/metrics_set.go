package web

import (
	"strings"
	"time"

	"github.com/skytools-go/skytools/londiste"
	"github.com/skytools-go/skytools/londiste/set"
)

// ofSet are the rows of what a subscription is one of.
func ofSet(now *scrape) []*londiste.Status {
	if now.Set == nil {
		return nil
	}
	return []*londiste.Status{now.Set}
}

func setLabels(st *londiste.Status) []string { return []string{st.Queue, st.Subscriber.Node} }

// onSubscriber leaves out what only the subscriber tells while it does not.
func onSubscriber(value func(*londiste.Status) *float64) func(*londiste.Status) *float64 {
	return func(st *londiste.Status) *float64 {
		if !st.Subscriber.Reachable || st.Subscriber.Error != "" {
			return nil
		}
		return value(st)
	}
}

var setMetrics = section[*londiste.Status]{
	about: "A subscription", labels: []string{"queue", "node"}, rows: ofSet, values: setLabels,
	families: []family[*londiste.Status]{
		{"position_tick", "Tick that the subscriber has applied; skytools_queue_last_tick is the provider's last.", func(st *londiste.Status) *float64 { return opt(st.Position) }},
		{"worker_running", "1: a worker holds the subscriber's lock.", onSubscriber(func(st *londiste.Status) *float64 { return is(st.Worker != nil && st.Worker.Running) })},
		{"worker_failing", "1: the worker could not apply its last batch and tries again.", onSubscriber(func(st *londiste.Status) *float64 { return is(st.Worker != nil && st.Worker.Error != "") })},
		{"worker_start_timestamp_seconds", "When the worker took the lock; of the last one where none runs.", onSubscriber(func(st *londiste.Status) *float64 {
			if st.Worker == nil {
				return nil
			}
			return at(&st.Worker.Since)
		})},
		{"consistent", "1: every table of the subscriber is as the provider's was at the position.", func(st *londiste.Status) *float64 {
			if !st.Reachable() {
				return nil
			}
			return is(st.Consistent)
		}},
		{"problems", "Things that want doing, as status lists them with the command that mends each.", func(st *londiste.Status) *float64 { return of(len(st.Problems)) }},
		{"parked_tables", "Tables that the worker leaves aside because they could not be applied.", onSubscriber(func(st *londiste.Status) *float64 {
			return of(count(st.Tables, func(t londiste.TableStatus) bool { return t.Parked != nil }))
		})},
		{"pending_foreign_keys", "Foreign keys dropped for a copy that have still to come back.", onSubscriber(func(st *londiste.Status) *float64 { return of(len(st.Fkeys)) })},
	},
}

func count(tables []londiste.TableStatus, is func(londiste.TableStatus) bool) (n int) {
	for _, t := range tables {
		if is(t) {
			n++
		}
	}
	return n
}

// at is the value of a moment: seconds of Unix time.
func at(t *time.Time) *float64 {
	if t == nil || t.IsZero() {
		return nil
	}
	return of(float64(t.UnixMilli()) / 1000)
}

// stateRow is how many tables are in one state.
type stateRow struct {
	st     *londiste.Status
	state  string
	tables int
}

var stateMetrics = section[stateRow]{
	about: "A state of tables", labels: []string{"queue", "node", "state"},
	rows: func(now *scrape) (rows []stateRow) {
		for _, st := range ofSet(now) {
			if !st.Subscriber.Reachable || st.Subscriber.Error != "" {
				continue
			}
			for _, state := range londiste.TableStates {
				rows = append(rows, stateRow{st, state, st.States[state]})
			}
		}
		return rows
	},
	values: func(r stateRow) []string { return append(setLabels(r.st), r.state) },
	families: []family[stateRow]{
		{"tables", "Tables in that state: " + strings.Join(londiste.TableStates, ", ") + ".", func(r stateRow) *float64 { return of(r.tables) }},
	},
}

// tableRow is one table of the set.
type tableRow struct {
	st *londiste.Status
	londiste.TableStatus
}

// copied is a value of a table's copy.
func copied(value func(*set.CopyProgress) *float64) func(tableRow) *float64 {
	return func(t tableRow) *float64 {
		if t.Copy == nil {
			return nil
		}
		return value(t.Copy)
	}
}

var tableMetrics = section[tableRow]{
	about: "A table of the subscriber", labels: []string{"queue", "node", "table"},
	rows: func(now *scrape) (rows []tableRow) {
		for _, st := range ofSet(now) {
			for _, t := range st.Tables {
				if t.Here {
					rows = append(rows, tableRow{st, t})
				}
			}
		}
		return rows
	},
	values: func(t tableRow) []string { return append(setLabels(t.st), t.Name) },
	families: []family[tableRow]{
		{"table_events_total", "Events of the table: applied, coalesced, filtered and skipped ones.", func(t tableRow) *float64 { return of(t.Counters.Events) }},
		{"table_applied_total", "Events applied.", func(t tableRow) *float64 { return of(t.Counters.Applied) }},
		{"table_coalesced_total", "Events not applied because a later one of the batch had the same key.", func(t tableRow) *float64 { return of(t.Counters.Coalesced) }},
		{"table_filtered_total", "Events that a copy had brought already.", func(t tableRow) *float64 { return of(t.Counters.Filtered) }},
		{"table_skipped_total", "Events passed over.", func(t tableRow) *float64 { return of(t.Counters.Skipped) }},
		{"table_set_applied_total", "Events applied in sets.", func(t tableRow) *float64 { return of(t.Counters.BySets) }},
		{"table_fallbacks_total", "Sets that were refused and done again row by row.", func(t tableRow) *float64 { return of(t.Counters.Fallbacks) }},
		{"table_diverged_total", "Rows that were found changed at the subscriber.", func(t tableRow) *float64 { return of(t.Counters.Diverged) }},
		{"table_passed_over_events", "Events left out by subscriber skip since the last copy.", func(t tableRow) *float64 { return of(t.Passed) }},
		{"table_drifted", "1: the table has changed at the provider since its capture was made.", func(t tableRow) *float64 { return is(t.Drift != "") }},
		{"table_parked", "1: the worker leaves it aside.", func(t tableRow) *float64 { return is(t.Parked != nil) }},
		{"table_parked_timestamp_seconds", "Since when it does.", func(t tableRow) *float64 {
			if t.Parked == nil {
				return nil
			}
			return at(&t.Parked.Since)
		}},
		{"table_verified_timestamp_seconds", "When a comparison found it equal last.", func(t tableRow) *float64 { return at(t.Verified) }},
		{"table_different_timestamp_seconds", "The first comparison since then that did not.", func(t tableRow) *float64 { return at(t.Different) }},
		{"table_pending_ddl", "Indexes and constraints dropped for a copy that have still to come back.", func(t tableRow) *float64 { return of(t.Waiting) }},
		{"table_copy_rows", "Rows copied, by the copy under way or the last one.", copied(func(c *set.CopyProgress) *float64 { return of(c.Rows) })},
		{"table_copy_bytes", "Bytes sent by it.", copied(func(c *set.CopyProgress) *float64 { return of(c.Bytes) })},
		{"table_copy_expected_rows", "Rows that the provider guesses the table to have.", copied(func(c *set.CopyProgress) *float64 { return opt(c.RowsExpected) })},
		{"table_copy_ratio", "Part of the copy that is done, 0 to 1.", copied(func(c *set.CopyProgress) *float64 { return opt(c.Done) })},
		{"table_copy_remaining_seconds", "How long it will take at its present rate.", copied(func(c *set.CopyProgress) *float64 { return opt(c.Left) })},
		{"table_copy_bytes_per_second", "Its present rate.", copied(func(c *set.CopyProgress) *float64 { return of(c.Rate) })},
		{"table_copy_chunks", "Chunks of it; 0: one stream.", copied(func(c *set.CopyProgress) *float64 { return of(c.Chunks) })},
		{"table_copy_done_chunks", "Chunks that are there.", copied(func(c *set.CopyProgress) *float64 { return of(c.ChunksDone) })},
		{"table_copy_redone_chunks", "Chunks begun again after a cut.", copied(func(c *set.CopyProgress) *float64 { return of(c.ChunksRedone) })},
		{"table_copy_attempts", "Attempts; more than 1: it was interrupted.", copied(func(c *set.CopyProgress) *float64 { return of(c.Attempts) })},
		{"table_copy_start_timestamp_seconds", "When it was begun.", copied(func(c *set.CopyProgress) *float64 { return at(&c.Started) })},
		{"table_copy_end_timestamp_seconds", "When its rows were there; absent while they are not.", copied(func(c *set.CopyProgress) *float64 { return at(c.Finished) })},
	},
}
