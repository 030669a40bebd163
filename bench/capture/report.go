package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// metrics in the order of the report.
var metrics = []struct{ key, unit string }{
	{"bulk insert", "us CPU a row"},
	{"bulk update", "us CPU a row"},
	{"bulk delete", "us CPU a row"},
	{"cpu insert synchronous_commit=off", "us CPU a transaction"},
	{"cpu update synchronous_commit=off", "us CPU a transaction"},
	{"tps insert synchronous_commit=off", "per second"},
	{"tps update synchronous_commit=off", "per second"},
	{"tps insert synchronous_commit=on", "per second"},
	{"tps update synchronous_commit=on", "per second"},
}

// report prints a table: medians, and each as a ratio to no capture, which is
// the median of the ratios within the rounds.
func report(w io.Writer, variants []*variant) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(tw, "metric\tunit")
	for _, v := range variants {
		fmt.Fprintf(tw, "\t%s", v.name)
	}
	fmt.Fprintln(tw)
	for _, m := range metrics {
		fmt.Fprintf(tw, "%s\t%s", m.key, m.unit)
		for _, v := range variants {
			ratios := make([]float64, len(v.result[m.key]))
			for i, x := range v.result[m.key] {
				ratios[i] = x / variants[0].result[m.key][i]
			}
			fmt.Fprintf(tw, "\t%.1f (%.2f)", median(v.result[m.key]), median(ratios))
		}
		fmt.Fprintln(tw)
	}
	_ = tw.Flush()
}

func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
