package apply

import (
	"testing"

	"github.com/skytools-go/skytools/internal/ident"
)

// TestByUpdate repeats what changed rows can meet with every one of them
// written by UPDATE.
func TestByUpdate(t *testing.T) {
	always, replica = true, true
	defer func() { always, replica = false, false }()
	for name, test := range map[string]func(*testing.T){
		"types": TestTypes, "keys": TestKeys, "names": TestNames, "columns": TestColumns,
		"partitions": TestDeferrableKeyAndPartitions, "divergence": TestDivergence,
		"moved": TestMovedRows, "key named": TestErrorsNameTheKey, "transactions": TestTransactions, "plans": TestPlans,
	} {
		t.Run(name, test)
	}
}

// TestUpdateMisses: rows that are not there are put there and counted, and for
// a while nobody relies on the table's rows again.
func TestUpdateMisses(t *testing.T) {
	r := newRig(t, "create table t (id int primary key, v text); insert into t select i, 'old' from generate_series(1, 1000) i", "t")
	asReplica(t, r)
	table := func() *table { return r.a.byName[ident.Name{Schema: "public", Name: "t"}] }
	updates := func(from, to int, v string) (events []Event) {
		for i := from; i <= to; i++ {
			events = append(events, r.ev("UPDATE t id", `{"id":`+itoa(i)+`,"v":"`+v+`"}`))
		}
		return events
	}
	res := r.must(updates(1, 1000, "a")...)
	if res.Total.Diverged != 0 || res.Total.BySets != 1000 || table().misses != 0 {
		t.Errorf("%+v, misses %d", res.Total, table().misses)
	}
	r.want("select count(*) from t where v = 'a'", "(1000)")
	r.exec("delete from t where id in (3, 500)")
	res = r.must(append(updates(1, 1000, "b"), r.ev("DELETE t id", `{"id":1,"v":"b"}`))...)
	if res.Total.Diverged != 2 || res.Total.BySets != 1000 || res.Total.Fallbacks != 0 || table().misses != bySafeWay-1 {
		t.Errorf("%+v, misses %d", res.Total, table().misses)
	}
	r.want("select count(*), min(id) from t where v = 'b'", "(999,2)")
	res = r.must(updates(1, 1000, "c")...) // the first one is gone
	if res.Total.Diverged != 1 || table().misses != bySafeWay-2 {
		t.Errorf("%+v, misses %d", res.Total, table().misses)
	}
	r.want("select count(*) from t where v = 'c'", "(1000)")
}
