package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/skytools-go/skytools/internal/cli"
)

// past is what the last looks found of lag and throughput: an hour of them,
// with a pause of 5 s, kept in memory and lost with the process.
type past struct {
	mu      sync.Mutex
	samples []sample // oldest first
}

const (
	mostSamples = 720
	mostSeries  = 64 // of a sample
	mostLines   = 6  // of a chart
)

type sample struct {
	at        time.Time
	lag, rate map[string]float64 // by consumer; by queue
}

// add keeps what a look has read; what it did not reach leaves a gap.
func (p *past) add(snap *Snapshot) {
	one := sample{snap.At, map[string]float64{}, map[string]float64{}}
	if st := snap.Set; st != nil {
		if st.Lag != nil && st.Reachable() {
			one.lag[st.Job] = *st.Lag
		}
		if st.Events != nil {
			one.rate[st.Queue] = st.Events.EventsPerSec
			for _, r := range st.Readers {
				if r.Kind == "other" {
					keep(one.lag, r.Name, r.Behind())
				}
			}
		}
	}
	for _, db := range snap.Databases {
		if db.Err != nil || db.Status == nil {
			continue
		}
		for _, q := range db.Status.Queues {
			name := q.Name
			if len(snap.Databases) > 1 {
				name = db.Name + "/" + name
			}
			keep(one.rate, name, q.EventsPerSec)
			for _, c := range q.Consumers {
				if !c.Bookkeeping() {
					keep(one.lag, name+": "+c.Name, c.Behind().Seconds())
				}
			}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.samples) == mostSamples {
		p.samples = slices.Delete(p.samples, 0, 1)
	}
	p.samples = append(p.samples, one)
}

func keep(m map[string]float64, name string, value float64) {
	if len(m) < mostSeries {
		m[name] = value
	}
}

// chart is one figure over time.
type chart struct {
	ID, Title, Unit, Summary string
	Times                    []int64 // Unix seconds
	Lines                    []line
}

type line struct {
	Name   string
	Values []float64 // NaN: not known
}

// charts are lag and throughput; where there are too many lines, the highest.
func (p *past) charts() []chart {
	p.mu.Lock()
	defer p.mu.Unlock()
	return []chart{
		p.chart(chart{ID: "lag", Title: "Lag", Unit: "seconds"}, func(s sample) map[string]float64 { return s.lag }, func(v float64) string { return ageText(seconds(v)) }),
		p.chart(chart{ID: "rate", Title: "Throughput", Unit: "events per second"}, func(s sample) map[string]float64 { return s.rate }, func(v float64) string { return fmt.Sprintf("%.1f/s", v) }),
	}
}

func (p *past) chart(c chart, of func(sample) map[string]float64, word func(float64) string) chart {
	most := map[string]float64{}
	for _, s := range p.samples {
		c.Times = append(c.Times, s.at.Unix())
		for name, v := range of(s) {
			most[name] = max(most[name], v)
		}
	}
	names := slices.SortedFunc(maps.Keys(most), func(a, b string) int {
		return cmp.Or(cmp.Compare(most[b], most[a]), strings.Compare(a, b))
	})
	left := max(0, len(names)-mostLines)
	now, top := math.NaN(), 0.0
	for _, name := range names[:len(names)-left] {
		l := line{Name: name}
		for _, s := range p.samples {
			v, known := of(s)[name]
			if !known {
				v = math.NaN()
			}
			l.Values = append(l.Values, v)
		}
		if v := l.Values[len(l.Values)-1]; !math.IsNaN(v) && (math.IsNaN(now) || v > now) {
			now = v
		}
		top = max(top, most[name])
		c.Lines = append(c.Lines, l)
	}
	switch {
	case len(c.Lines) == 0:
		c.Summary = "nothing known yet"
	default:
		span := time.Duration(c.Times[len(c.Times)-1]-c.Times[0]) * time.Second
		at := "not known"
		if !math.IsNaN(now) {
			at = word(now)
		}
		c.Summary = fmt.Sprintf("now %s, most %s within %s", at, word(top), cli.Age(span).Text)
	}
	if left > 0 {
		c.Summary += fmt.Sprintf("; %d lower lines are left out", left)
	}
	return c
}

// MarshalJSON is what the page's script draws: null where nothing is known.
func (l line) MarshalJSON() ([]byte, error) {
	values := make([]*float64, len(l.Values))
	for i, v := range l.Values {
		if !math.IsNaN(v) {
			values[i] = &v
		}
	}
	return json.Marshal(struct {
		Name   string     `json:"name"`
		Values []*float64 `json:"values"`
	}{l.Name, values})
}

func (s *Server) series(w http.ResponseWriter, _ *http.Request) {
	type drawn struct {
		Times []int64 `json:"times"`
		Unit  string  `json:"unit"`
		Lines []line  `json:"lines"`
	}
	all := map[string]drawn{}
	for _, c := range s.past.charts() {
		all[c.ID] = drawn{c.Times, c.Unit, c.Lines}
	}
	writeJSON(w, http.StatusOK, all)
}

const (
	plotWidth, plotHeight = 600, 160
	plotLeft, plotBottom  = 8, 8
)

// SVG draws the chart for browsers without scripts.
func (c chart) SVG() template.HTML {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`, plotWidth, plotHeight, template.HTMLEscapeString(c.Title+": "+c.Summary))
	fmt.Fprintf(&b, `<path class="axis" d="M%d 0V%dH%d"/>`, plotLeft, plotHeight-plotBottom, plotWidth)
	top := 0.0
	for _, l := range c.Lines {
		for _, v := range l.Values {
			if v > top {
				top = v
			}
		}
	}
	for i, l := range c.Lines {
		fmt.Fprintf(&b, `<path class="line s%d" d="%s"/>`, i, l.path(c.Times, max(top, 1e-9)))
	}
	b.WriteString("</svg>")
	return template.HTML(b.String()) // numbers and one escaped text
}

// path is a line's way; it is begun anew after a gap.
func (l line) path(times []int64, top float64) string {
	var b strings.Builder
	span := max(times[len(times)-1]-times[0], 1)
	pen := "M"
	for i, v := range l.Values {
		if math.IsNaN(v) {
			pen = "M"
			continue
		}
		x := plotLeft + float64(times[i]-times[0])/float64(span)*(plotWidth-plotLeft)
		y := (plotHeight - plotBottom) * (1 - v/top*0.95)
		fmt.Fprintf(&b, "%s%.1f %.1f", pen, x, y)
		pen = "L"
	}
	return b.String()
}
