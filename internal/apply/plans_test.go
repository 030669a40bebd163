package apply

import (
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestPlans: rows are found by their key's index, however many a flush has and
// however small the table was when the statement was planned.
func TestPlans(t *testing.T) {
	r := newRig(t, `
create table t (id int primary key, v text);
create table pair (a int, b int, v text, primary key (a, b));
create table deferred (id int primary key deferrable, v text);
insert into t select i, 'old' from generate_series(1, 3000) i;
insert into pair select i, i, 'old' from generate_series(1, 3000) i;
insert into deferred select i, 'old' from generate_series(1, 3000) i;
analyze`, "t", "pair", "deferred")
	a := New(r.tables, Options{})
	r.exec("set enable_hashjoin = off")
	scans := func() []string {
		return r.texts("select relname || ' ' || seq_scan from pg_stat_xact_user_tables order by relname")
	}
	err := pgx.BeginFunc(t.Context(), r.conn, func(tx pgx.Tx) error {
		before := scans() // making the keys counts
		_, err := a.Transaction(t.Context(), tx, func() error {
			for i := range 3000 {
				op, id := "UPDATE", itoa(i+1)
				if i%2 == 0 {
					op = "DELETE"
				}
				for _, ev := range []Event{
					r.ev(op+" t id", `{"id":`+id+`,"v":"new"}`),
					r.ev(op+" pair a,b", `{"a":`+id+`,"b":`+id+`,"v":"new"}`),
					r.ev(op+" deferred id", `{"id":`+id+`,"v":"new"}`),
				} {
					if err := a.Event(t.Context(), ev); err != nil {
						return err
					}
				}
			}
			return nil
		})
		r.want("select current_setting('enable_seqscan'), current_setting('enable_hashjoin'), current_setting('plan_cache_mode')", "(on,off,auto)")
		if now := scans(); !slices.Equal(before, now) {
			t.Errorf("sequential scans: %v, before %v", now, before)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	r.want("select count(*) from t", "(1500)")
}
