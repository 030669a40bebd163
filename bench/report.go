package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"text/tabwriter"
)

// line is a metric of a section's table; floor and goal are for ours.
type line struct {
	metric, unit string
	floor, goal  *bound
}

// bound is what a figure, or its ratio to the peer's, must keep to.
type bound struct {
	limit float64
	least bool // at least the limit; else at most
	ratio bool // of the ratio to the peer
}

func (b *bound) String() string {
	if b == nil {
		return ""
	}
	text := map[bool]string{true: ">= ", false: "<= "}[b.least] + strconv.FormatFloat(b.limit, 'g', -1, 64)
	if b.ratio {
		text += " x"
	}
	return text
}

// kept tells whether a figure keeps to the bound.
func (b *bound) kept(median, ratio float64) bool {
	v := median
	if b.ratio {
		v = ratio
	}
	if b.least {
		return v >= b.limit
	}
	return v <= b.limit
}

// ours is the variant that floors and goals are for.
const ours = "ours"

// results are the single figures of a section.
type results struct {
	section string
	round   int
	list    []result
}

type result struct {
	round         int
	who, metric   string
	value         float64
	loadOfMachine string
}

func (r *results) add(who, metric string, value float64) {
	r.list = append(r.list, result{r.round, who, metric, value, loadOfMachine()})
}

// save appends the figures to a file, one a line.
func (r *results) save(file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	for _, x := range r.list {
		fmt.Fprintf(f, "%s\t%d\t%s\t%s\t%g\t%s\n", r.section, x.round, x.who, x.metric, x.value, x.loadOfMachine)
	}
	return f.Close()
}

// values are the figures of one variant, in the order of the rounds.
func (r *results) values(who, metric string) []float64 {
	var found []float64
	for _, x := range r.list {
		if x.who == who && x.metric == metric {
			found = append(found, x.value)
		}
	}
	return found
}

// variants are those that have a figure of the metric, in the order measured.
func (r *results) variants(metric string) []string {
	var found []string
	for _, x := range r.list {
		if x.metric == metric && !slices.Contains(found, x.who) {
			found = append(found, x.who)
		}
	}
	return found
}

// table prints a section and returns how many floors were missed.
func (r *results) table(w io.Writer, s section) (missed int) {
	fmt.Fprintf(w, "\n%s\n", s.name)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tw, "metric\tunit\twho\tmedian\tmin\tmax\tratio\tfloor\t\tgoal\t")
	for _, l := range s.lines {
		name, unit := l.metric, l.unit
		for _, who := range r.variants(l.metric) {
			values := r.values(who, l.metric)
			ratio, text := ratios(values, r.values(s.peer, l.metric)), ""
			if !math.IsNaN(ratio) && who != s.peer {
				text = fmt.Sprintf("%.2f", ratio)
			}
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s", name, unit, who,
				figure(median(values)), figure(slices.Min(values)), figure(slices.Max(values)), text)
			name, unit = "", ""
			if who != ours {
				fmt.Fprintln(tw, "\t\t\t\t")
				continue
			}
			floor, bad := verdict(l.floor, median(values), ratio, "MISS")
			goal, _ := verdict(l.goal, median(values), ratio, "not yet")
			fmt.Fprintf(tw, "\t%s\t%s\t%s\t%s\n", l.floor, floor, l.goal, goal)
			if bad {
				missed++
			}
		}
	}
	_ = tw.Flush()
	return missed
}

// verdict says whether a bound is kept; one that nobody was there to be held
// against is not.
func verdict(b *bound, median, ratio float64, no string) (text string, bad bool) {
	switch {
	case b == nil:
		return "", false
	case b.ratio && math.IsNaN(ratio):
		return "no peer", true
	case b.kept(median, ratio):
		return "pass", false
	}
	return no, true
}

// ratios is the median of the ratios within the rounds; NaN without a peer.
func ratios(values, peer []float64) float64 {
	if len(values) != len(peer) {
		return math.NaN()
	}
	each := make([]float64, len(values))
	for i := range values {
		each[i] = values[i] / peer[i]
	}
	return median(each)
}

// median of no values is NaN.
func median(values []float64) float64 { return quantile(values, 0.5) }

// quantile interpolates between the two values next to it.
func quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	at := q * float64(len(sorted)-1)
	low := int(at)
	high := min(low+1, len(sorted)-1)
	return sorted[low] + (at-float64(low))*(sorted[high]-sorted[low])
}

// figure prints three digits at least, without a power of ten.
func figure(v float64) string {
	switch {
	case math.Abs(v) >= 100:
		return fmt.Sprintf("%.0f", v)
	case math.Abs(v) >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
