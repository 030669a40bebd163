package apply

import (
	"errors"
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
	always = true
	defer func() { always = false }()
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
	if res.Total.Diverged != 0 || res.Total.BySets != 1000 || table().noUpdate != 0 {
		t.Errorf("%+v, noUpdate %d", res.Total, table().noUpdate)
	}
	r.want("select count(*) from t where v = 'a'", "(1000)")
	r.exec("delete from t where id in (3, 500)")
	res = r.must(append(updates(1, 1000, "b"), r.ev("DELETE t id", `{"id":1,"v":"b"}`))...)
	if res.Total.Diverged != 2 || res.Total.BySets != 1000 || res.Total.Fallbacks != 0 || table().noUpdate != bySafeWay-1 {
		t.Errorf("%+v, noUpdate %d", res.Total, table().noUpdate)
	}
	r.want("select count(*), min(id) from t where v = 'b'", "(999,2)")
	res = r.must(updates(1, 1000, "c")...) // the first one is gone
	if res.Total.Diverged != 1 || table().noUpdate != bySafeWay-2 {
		t.Errorf("%+v, noUpdate %d", res.Total, table().noUpdate)
	}
	r.want("select count(*) from t where v = 'c'", "(1000)")
}

// TestUpdateMissesStop: where a difference stops the worker it stops at the row.
func TestUpdateMissesStop(t *testing.T) {
	always = true
	defer func() { always = false }()
	r := newRig(t, "create table t (id int primary key, v text); create table u (id int primary key, v text); insert into t values (1, 'old'); insert into u values (1, 'old')", "t", "u")
	asReplica(t, r)
	r.opt.StopOnConflict = true
	events := r.evs(`UPDATE t id {"id":1,"v":"a"}`, `UPDATE u id {"id":1,"v":"a"}`, `UPDATE u id {"id":2,"v":"a"}`, `UPDATE t id {"id":2,"v":"a"}`)
	e := r.fails([]string{"differs"}, events...)
	if e.Key != "(id)=(2)" || e.Event != events[2].ID || !errors.Is(e, ErrConflict) {
		t.Errorf("%+v", e)
	}
	r.want("select count(*) from t where v = 'old'", "(1)")
	r.exec("insert into t values (2, 'old'); insert into u values (2, 'old')")
	r.must(events...)
	r.want("select count(*) from t natural join u where v = 'a'", "(2)")
}
