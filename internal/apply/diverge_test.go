package apply

import (
	"errors"
	"testing"
)

var divergedEvents = []string{
	`INSERT t id {"id":1,"v":"p"}`, // is there: counted, corrected
	`UPDATE t id {"id":2,"v":"p"}`, // is not there
	`DELETE t id {"id":3,"v":"p"}`, // is not there
	`UPDATE t id {"id":2,"v":"q"}`, // was told already
	`INSERT t id {"id":4,"v":"p"}`, // as told
	`DELETE t id {"id":4,"v":"p"}`,
	`DELETE t id {"id":5,"v":"p"}`, // as told
	`INSERT t id {"id":5,"v":"p"}`,
	`UPDATE t id {"id":6,"v":"p"}`,
	`INSERT t id {"id":7,"v":"p"}`, // came and went at the provider, is there here
	`DELETE t id {"id":7,"v":"p"}`,
}

func TestDivergence(t *testing.T) {
	const mine = "; insert into t values (1, 'mine'), (5, 'mine'), (6, 'mine'), (7, 'mine')"
	after := []string{"(1,p)", "(2,q)", "(5,p)", "(6,p)"}
	t.Run("counted", func(t *testing.T) {
		r := newRig(t, entryDDL+mine, "t")
		res := r.must(r.evs(divergedEvents...)...)
		r.want("select * from t order by id", after...)
		if res.Total.Diverged != 4 || res.Total.BySets != 7 || res.Total.Fallbacks != 0 {
			t.Errorf("%+v", res.Total)
		}
		// Inserts are upserts for a while; that counts the same.
		res = r.must(r.evs(`INSERT t id {"id":1,"v":"x"}`, `INSERT t id {"id":8,"v":"x"}`)...)
		if res.Total.Diverged != 1 {
			t.Errorf("%+v", res.Total)
		}
	})
	t.Run("row by row", func(t *testing.T) {
		r := newRig(t, "create table t (id float8 primary key, v text)"+mine, "t")
		res := r.must(r.evs(divergedEvents...)...)
		r.want("select * from t order by id", after...)
		if res.Total.Diverged != 4 || res.Total.BySets != 0 || res.Total.Applied != 11 {
			t.Errorf("%+v", res.Total)
		}
	})
	t.Run("catching up", func(t *testing.T) {
		r := newRig(t, entryDDL+mine, "t")
		r.opt.CatchUp = true
		res := r.must(r.evs(divergedEvents...)...)
		r.want("select * from t order by id", after...)
		if res.Total.Diverged != 0 || res.Total.BySets != 7 {
			t.Errorf("%+v", res.Total)
		}
	})
	t.Run("stop", func(t *testing.T) {
		r := newRig(t, entryDDL+mine, "t")
		r.opt.StopOnConflict = true
		for i, key := range map[int]string{0: "(id)=(1)", 1: "(id)=(2)", 2: "(id)=(3)", 9: "(id)=(7)"} {
			events := r.evs(`INSERT t id {"id":100,"v":"p"}`, divergedEvents[i], `INSERT t id {"id":101,"v":"p"}`)
			e := r.fails([]string{"differs"}, events...)
			if e.Key != key || e.Event != events[1].ID || !errors.Is(e, ErrConflict) {
				t.Errorf("%d: %+v", i, e)
			}
		}
		r.want("select count(*) from t", "(4)")
		r.must(r.evs(`INSERT t id {"id":100,"v":"p"}`, divergedEvents[8], divergedEvents[6], divergedEvents[7])...)
		r.want("select count(*) from t", "(5)")
	})
}

// TestMovedRows: rows that take a new key, or are changed by a trigger while
// they are inserted, are no divergence; one that is missing beside them is.
func TestMovedRows(t *testing.T) {
	tx := func(r *rig, lines ...string) []Event {
		events := r.evs(lines...)
		for i := range events {
			events[i].Tx = events[0].ID
		}
		return events
	}
	for name, ddl := range map[string]string{
		"sets": entryDDL, "event order": "create table t (id float8 primary key, v text)",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, ddl+"; insert into t select i, 'a' from generate_series(1, 5) i", "t")
			r.opt.StopOnConflict = true
			moves := tx(r, `DELETE t id {"id":1,"v":"a"}`, `UPDATE t id {"id":2,"v":"a"}`, `UPDATE t id {"id":3,"v":"a"}`, `UPDATE t id {"id":6,"v":"a"}`)
			moves = append(moves, tx(r, `DELETE t id {"id":5,"v":"a"}`, `UPDATE t id {"id":50,"v":"a"}`, `DELETE t id {"id":50,"v":"a"}`)...)
			res := r.must(moves...)
			r.want("select id from t order by id", "(2)", "(3)", "(4)", "(6)")
			if res.Total.Diverged != 0 {
				t.Errorf("%+v", res.Total)
			}
			r.a.flusher.opt.StopOnConflict = false
			res = r.must(append(tx(r, `DELETE t id {"id":2,"v":"a"}`, `UPDATE t id {"id":7,"v":"a"}`), r.evs(`UPDATE t id {"id":8,"v":"a"}`)...)...)
			if res.Total.Diverged != 1 {
				t.Errorf("%+v", res.Total)
			}
		})
	}
	t.Run("trigger", func(t *testing.T) {
		r := newRig(t, entryDDL, "t")
		r.opt.StopOnConflict = true
		r.must(tx(r, `UPDATE t id {"id":1,"v":"by its trigger"}`, `INSERT t id {"id":1,"v":"by its trigger"}`)...)
	})
}

// TestTransactions: what a rolled-back transaction left in the applier does
// not reach the next one, and prepared statements survive a new connection.
func TestTransactions(t *testing.T) {
	r := newRig(t, entryDDL, "t")
	r.fails([]string{"22P02"}, r.evs(`INSERT t id {"id":1,"v":"a"}`, `INSERT t id {"id":"x","v":"a"}`)...)
	res := r.must(r.evs(`INSERT t id {"id":2,"v":"a"}`)...)
	r.want("select * from t", "(2,a)")
	if res.Total.Events != 1 {
		t.Errorf("%+v", res.Total)
	}
	config := r.conn.Config()
	r.conn = connect(t, config)
	r.must(r.evs(`INSERT t id {"id":3,"v":"a"}`, `DELETE t id {"id":2,"v":"a"}`)...)
	r.want("select * from t", "(3,a)")
}

// TestManyTables uses more statements than stay on a connection.
func TestManyTables(t *testing.T) {
	const n = 300
	r := newRig(t, `do $$ begin for i in 1..300 loop execute 'create table m' || i || ' (id int primary key, v text)'; end loop; end $$`)
	var first, second []Event
	for i := 1; i <= n; i++ {
		name := "m" + itoa(i)
		r.load(name)
		first = append(first, r.evs("INSERT "+name+` id {"id":1,"v":"a"}`, "INSERT "+name+` id {"id":2,"v":"a"}`)...)
		second = append(second, r.evs("UPDATE "+name+` id {"id":1,"v":"b"}`, "DELETE "+name+` id {"id":2,"v":"a"}`)...)
	}
	r.must(first...)
	r.must(second...)
	r.must(first[:2]...)
	r.want("select count(*) < 600 from pg_prepared_statements", "(t)")
	r.must(r.evs(`DELETE m1 id {"id":2}`)...)
	for range 2 {
		r.must(second...)
	}
	r.want("select count(*) from m1", "(1)")
	r.want("select v from m300", "(b)")
}

// TestErrorsNameTheKey also where the row does not fit the table.
func TestErrorsNameTheKey(t *testing.T) {
	r := newRig(t, "create table t (id int, k text, v text, primary key (id, k))", "t")
	e := r.fails([]string{`column "new" of the event does not exist in table public.t`},
		r.evs(`INSERT t id,k {"id":0,"k":"a","v":"p"}`, `UPDATE t id,k {"id":1,"k":"a b","new":"x"}`)...)
	if e.Key != "(id, k)=(1, a b)" || e.Event != r.last {
		t.Errorf("event %d, key %q", e.Event, e.Key)
	}
	r.must(r.evs(`INSERT t id,k {"id":1,"k":"a b","v":"p"}`)...)
	r.want("select * from t", `(1,"a b",p)`)
}
