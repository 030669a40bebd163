package main

import (
	"math"
	"strings"
	"testing"
)

// TestTable shows a table whole: ratios are taken within rounds, floors and
// goals look at ours only, and a floor without a peer is not reached.
func TestTable(t *testing.T) {
	r := results{}
	for round, v := range [][2]float64{{100, 300}, {200, 300}, {400, 800}} {
		r.round = round + 1
		r.add("native", "rate", v[0])
		r.add(ours, "rate", v[1])
		r.add(ours, "memory", 10*float64(round+1))
	}
	s := section{name: "drain", peer: "native", lines: []line{
		{"rate", "rows/s", &bound{2.5, true, true}, &bound{300, true, false}},
		{"memory", "MiB", &bound{1, true, true}, &bound{19.9, false, false}},
		{"never measured", "s", nil, nil},
	}}
	var out strings.Builder
	if missed := r.table(&out, s); missed != 2 {
		t.Errorf("%d floors missed, not 2", missed)
	}
	var got []string
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.Join(strings.Fields(line), " "))
	}
	want := []string{
		"", "drain",
		"metric unit who median min max ratio floor goal",
		"rate rows/s native 200 100 400",
		"ours 300 300 800 2.00 >= 2.5 x MISS >= 300 pass",
		"memory MiB ours 20.0 10.0 30.0 >= 1 x no peer <= 19.9 not yet",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestQuantile(t *testing.T) {
	for _, x := range []struct {
		values  []float64
		q, want float64
	}{
		{[]float64{3, 1, 2}, 0.5, 2},
		{[]float64{4, 1, 3, 2}, 0.5, 2.5},
		{[]float64{10, 20}, 0.99, 19.9},
		{[]float64{7}, 1, 7},
	} {
		if got := quantile(x.values, x.q); math.Abs(got-x.want) > 1e-9 {
			t.Errorf("quantile %g of %v is %g, want %g", x.q, x.values, got, x.want)
		}
	}
	if !math.IsNaN(median(nil)) {
		t.Error("the median of nothing is a number")
	}
}
