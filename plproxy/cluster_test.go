package plproxy

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/skytools-go/skytools/londiste"
)

func keeperOf(t *testing.T, fallback bool, parts ...Partition) *Keeper {
	t.Helper()
	k, err := New(Config{Write: "write", Read: "read", Partitions: parts, Fallback: fallback, MaxLag: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestClusters(t *testing.T) {
	one := Partition{Write: "root", Replicas: []Replica{{Connect: "a", Weight: 1}, {Connect: "b", Weight: 2}}}
	two := Partition{Write: "other", Replicas: []Replica{{Connect: "c", Weight: 1}}}
	for _, c := range []struct {
		name     string
		fallback bool
		parts    []Partition
		fresh    [][]bool
		chosen   []string
		want     []Cluster
	}{
		{
			"weights", true,
			[]Partition{one},
			[][]bool{{true, true}},
			nil,
			[]Cluster{{"write", []string{"root"}, false}, {"read", []string{"a", "b", "b"}, true}},
		},
		{
			"one is late", true,
			[]Partition{one},
			[][]bool{{true, false}},
			nil,
			[]Cluster{{"write", []string{"root"}, false}, {"read", []string{"a"}, true}},
		},
		{
			"none is fresh", true,
			[]Partition{one},
			[][]bool{{false, false}},
			nil,
			[]Cluster{{"write", []string{"root"}, false}, {"read", []string{"root"}, true}},
		},
		{
			"none is fresh, no fallback", false,
			[]Partition{one},
			[][]bool{{false, false}},
			nil,
			[]Cluster{{"write", []string{"root"}, false}, {"read", []string{nowhere}, true}},
		},
		{
			"the greatest weight", true,
			[]Partition{one, two},
			[][]bool{{true, true}, {true}},
			nil,
			[]Cluster{
				{"write", []string{"root", "other"}, false},
				{"read", []string{"b", "c"}, false},
				{"read_0", []string{"a", "b", "b"}, true},
				{"read_1", []string{"c"}, true},
			},
		},
		{
			"the one before", true,
			[]Partition{one, two},
			[][]bool{{true, true}, {false}},
			[]string{"a", "c"},
			[]Cluster{
				{"write", []string{"root", "other"}, false},
				{"read", []string{"a", "other"}, false},
				{"read_0", []string{"a", "b", "b"}, true},
				{"read_1", []string{"other"}, true},
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, keeperOf(t, c.fallback, c.parts...).clusters(c.fresh, c.chosen)); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := New(Config{Write: "w", Read: "r", MaxLag: time.Second, Partitions: []Partition{one, two, one}}); err == nil || !strings.Contains(err.Error(), "3 partitions") {
		t.Errorf("three partitions: %v", err)
	}
	if _, err := New(Config{Write: "w", Read: "w", MaxLag: time.Second, Partitions: []Partition{one}}); err == nil {
		t.Error("one name for both clusters")
	}
	if _, err := New(Config{Write: "w", Read: "r", Partitions: []Partition{one}}); err == nil || !strings.Contains(err.Error(), "max_lag") {
		t.Errorf("no replica is fresh within nothing: %v", err)
	}
}

// TestVerdicts: out at once, back after three good looks, and one that is at the
// limit stays out.
func TestVerdicts(t *testing.T) {
	now := time.Now()
	const most = time.Second
	late := func(d time.Duration) londiste.Lag { return londiste.Lag{At: now, Behind: d} }
	dead := errors.New("dead")
	noProvider := &londiste.ProviderError{Err: dead}
	var got []bool
	var v verdict
	for _, look := range []struct {
		lag londiste.Lag
		err error
	}{
		{lag: late(900 * time.Millisecond)}, // the first one decides by itself
		{lag: late(1100 * time.Millisecond)},
		{lag: late(900 * time.Millisecond)},
		{lag: late(900 * time.Millisecond)},
		{lag: late(900 * time.Millisecond)},
		{lag: late(0)},
		{lag: late(0)},
		{err: dead},
		{lag: late(0)},
		{lag: late(0)},
		{lag: late(0)},
		{lag: late(900 * time.Millisecond)},
		{lag: londiste.Lag{At: now, Parked: []string{"t"}}},
		{lag: late(0)},
		{lag: late(0)},
		{lag: late(0)},
		{err: noProvider}, // the replica answers, and is as late as it was
		{err: noProvider, lag: londiste.Lag{At: now, Parked: []string{"t"}}},
		{lag: late(0)},
		{lag: late(0)},
		{lag: late(0)},
		{err: dead}, // with the provider or without
		{lag: londiste.Lag{At: now, Copying: []string{"t"}}},
	} {
		v.note(look.lag, look.err, most, now)
		got = append(got, v.in)
	}
	want := []bool{true, false, false, false, false, false, false, false, false, false, true, true, false, false, false, true, true, false, false, false, true, false, false}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if !strings.Contains(v.why, "copied: t") {
		t.Errorf("reason %q", v.why)
	}
}

func TestOptions(t *testing.T) {
	c := Cluster{"read", []string{"a", "it's"}, true}
	for _, x := range []struct {
		old  [][2]string
		want string
	}{
		{nil, `p0 'a', p1 'it''s', modular_mapping '1'`},
		{[][2]string{{"p0", "a"}, {"p1", "it's"}, {"modular_mapping", "1"}}, ``},
		{[][2]string{{"query_timeout", "5"}, {"p0", "b"}, {"p1", "it's"}, {"p2", "x"}, {"p3", "y"}}, `set p0 'a', add modular_mapping '1', drop p3, drop p2`},
	} {
		if got := options(x.old, c); got != x.want {
			t.Errorf("from %v: %s, want %s", x.old, got, x.want)
		}
	}
}
