package web

import (
	"time"

	"github.com/skytools-go/skytools/londiste"
)

// self are the rows of what there is one of.
func self(now *scrape) []*scrape { return []*scrape{now} }

var buildMetrics = section[*scrape]{
	about: "The program that serves", labels: []string{"program", "version"}, rows: self,
	values: func(now *scrape) []string { return []string{now.program, now.version} },
	families: []family[*scrape]{
		{"build_info", "1: this program of this version.", func(*scrape) *float64 { return of(1) }},
	},
}

var lookMetrics = section[*scrape]{
	about: "Its looks at the databases", rows: self, values: func(*scrape) []string { return nil },
	families: []family[*scrape]{
		{"look_age_seconds", "Time since the last look; absent before the first.", func(now *scrape) *float64 {
			if now.At.IsZero() {
				return nil
			}
			return of(now.Age(time.Now()).Seconds())
		}},
		{"look_duration_seconds", "What that look took.", func(now *scrape) *float64 {
			if now.At.IsZero() {
				return nil
			}
			return of(now.Took.Seconds())
		}},
	},
}

var lagMetrics = section[*scrape]{
	about:  "How far a subscription is behind",
	labels: []string{"queue", "node"},
	rows: func(now *scrape) []*scrape {
		if now.Set == nil {
			return nil
		}
		return self(now)
	},
	values: func(now *scrape) []string { return setLabels(now.Set) },
	families: []family[*scrape]{
		{"lag_seconds", "No row of the subscriber is older, parked tables excepted. It rises while a database does not answer, and is absent before all have.", func(now *scrape) *float64 { return now.lag }},
	},
}

// reach is a database, and whether the last look reached it.
type reach struct {
	database, node string
	up             bool
	readAt         time.Time
}

var reachMetrics = section[reach]{
	about: "A database; node is empty but for a subscription's two sides", labels: []string{"database", "node"},
	rows: func(now *scrape) (rows []reach) {
		for _, st := range ofSet(now) {
			for _, n := range []londiste.NodeStatus{st.Provider, st.Subscriber} {
				r := reach{database: n.Database, node: n.Node, up: n.Reachable && n.Error == "", readAt: now.WholeAt}
				if r.up {
					r.readAt = now.At
				}
				rows = append(rows, r)
			}
		}
		for _, db := range now.Databases {
			rows = append(rows, reach{database: db.Name, up: db.Err == nil, readAt: db.At})
		}
		if len(rows) == 0 && now.Err != nil {
			rows = append(rows, reach{}) // not even which there are is known
		}
		return rows
	},
	values: func(r reach) []string { return []string{r.database, r.node} },
	families: []family[reach]{
		{"up", "1: the last look at the database read all of it.", func(r reach) *float64 { return is(r.up) }},
		{"read_timestamp_seconds", "When it last did.", func(r reach) *float64 { return at(&r.readAt) }},
	},
}
