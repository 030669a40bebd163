package apply

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// whole marks events as those of a table without a key.
func whole(events []Event) []Event {
	for i := range events {
		events[i].Type = []byte(strings.TrimSuffix(string(events[i].Type), "}") + `,"identity":"full"}`)
	}
	return events
}

// One of equal rows goes, and no other; NULL is NULL; 1.0 is not 1.00; types
// that PostgreSQL cannot compare are compared.
func TestRowsWithoutKey(t *testing.T) {
	const ddl = `create table t (n numeric, v text, j json, p point, x xml, c char(5), f numeric(6, 2), a int[], d timestamptz)`
	for name, sql := range map[string]string{
		"plain":       ddl,
		"indexed":     ddl + `; alter table t alter v set not null; create index on t (v)`,
		"partitioned": ddl + ` partition by list (v); create table t_1 partition of t for values in ('a'); create table t_2 partition of t default`,
		"heirs":       ddl + `; create table heir () inherits (t); insert into heir (n, v) values (1.0, 'a'), (1.0, 'b')`,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, sql, "t")
			row := func(n, v string) string {
				return `{"n":` + n + `,"v":` + v + `,"j":"{\"b\" : 1,\"a\":2}","p":"(1,2)","x":"<a>1</a>","c":"ab   ","f":1.005,"a":"{1,NULL}","d":"2026-01-02T03:04:05+00:00"}`
			}
			r.must(whole(r.evs(`INSERT t `+row(`1.0`, `"a"`), `INSERT t `+row(`1.0`, `"a"`), `INSERT t `+row(`1.0`, `"a"`),
				`INSERT t `+row(`1.00`, `"a"`), `INSERT t `+row(`null`, `"b"`), `INSERT t `+row(`null`, `"b"`), `INSERT t `+row(`2`, `""`)))...)
			from := "only t"
			if name == "partitioned" {
				from = "t"
			}
			res := r.must(whole(r.evs(`DELETE t `+row(`1.0`, `"a"`), `DELETE t `+row(`null`, `"b"`), `DELETE t `+row(`2`, `""`)))...)
			r.want("select n, v, count(*) from "+from+" group by n, n::text, v order by n::text, v", "(1.0,a,2)", "(1.00,a,1)", "(,b,1)")
			if res.Total.Diverged != 0 || res.Total.BySets != 3 {
				t.Errorf("%+v", res.Total)
			}
			res = r.must(whole(r.evs(`DELETE t `+row(`1.0`, `"a"`), `DELETE t `+row(`1.0`, `"a"`), `DELETE t `+row(`1.0`, `"a"`)))...)
			if res.Total.Diverged != 1 {
				t.Errorf("three deletes of two rows: %+v", res.Total)
			}
			// The row comes after it has gone, and goes before it comes.
			res = r.must(whole(r.evs(`INSERT t `+row(`7`, `"a"`), `DELETE t `+row(`7`, `"a"`), `DELETE t `+row(`8`, `"a"`), `INSERT t `+row(`8`, `"a"`)))...)
			if res.Total.Diverged != 0 || res.Total.Applied != 0 {
				t.Errorf("%+v", res.Total)
			}
		})
	}
}

// A delete whose INSERT is in a later flush of the transaction waits for it.
func TestDeleteBeforeItsInsert(t *testing.T) {
	r := newRig(t, "create table t (v text)", "t")
	r.opt.MaxRows = 4
	var lines []string
	for i := range 10 {
		lines = append(lines, fmt.Sprintf(`DELETE t {"v":"%d"}`, i))
	}
	for i := range 10 {
		lines = append(lines, fmt.Sprintf(`INSERT t {"v":"%d"}`, i), fmt.Sprintf(`INSERT t {"v":"x%d"}`, i))
	}
	if res := r.must(whole(r.evs(lines...))...); res.Total.Diverged != 0 {
		t.Errorf("%+v", res.Total)
	}
	r.want("select count(*), min(v) from t", "(10,x0)")
}

// Random events leave what a multiset has, by whatever way they are applied.
func TestRandomRowsWithoutKey(t *testing.T) {
	for seed := range uint64(8) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		r := newRig(t, "create table t (a int, b text unique, c int); alter table t drop constraint t_b_key", "t")
		r.opt.MaxRows = 1 + rnd.IntN(30)
		left := map[string]int{}
		for range 5 {
			var lines []string
			for range 60 {
				row := fmt.Sprintf(`{"a":%d,"b":null,"c":%d}`, rnd.IntN(3), rnd.IntN(3))
				switch n := rnd.IntN(20); {
				case n == 0:
					lines = append(lines, "TRUNCATE t")
					clear(left)
				case n < 11:
					lines = append(lines, "INSERT t "+row)
					left[row]++
				case left[row] > 0:
					lines = append(lines, "DELETE t "+row)
					left[row]--
				}
			}
			if res := r.must(whole(r.evs(lines...))...); res.Total.Diverged != 0 {
				t.Fatalf("seed %d: %+v", seed, res.Total)
			}
		}
		var want []string
		for a := range 3 {
			for c := range 3 {
				if n := left[fmt.Sprintf(`{"a":%d,"b":null,"c":%d}`, a, c)]; n > 0 {
					want = append(want, fmt.Sprintf("(%d,%d,%d)", a, c, n))
				}
			}
		}
		r.want("select a, c, count(*) from t group by a, c order by a, c", want...)
	}
}
