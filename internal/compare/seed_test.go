package compare

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// columns of the seeded tables, each with values that are easily mixed up.
var mixed = []struct {
	typ    string
	values []string
}{
	{"int", []string{"0", "1", "-1", "null"}},
	{"bigint", []string{"0", "1", "4294967296", "-4294967297", "null"}},
	{"text", []string{"''", "' '", "'a'", "'A'", "'null'", "'1'", "null"}},
	{"text", []string{"''", "'a'", "'a,b'", "null"}},
	{"numeric", []string{"0", "0.0", "1", "-1", "1.00", "10000", "'NaN'", "null"}},
	{"numeric", []string{"1", "10000", "-1", "null"}},
	{"float8", []string{"0", "'-0'", "'NaN'", "0.1", "null"}},
	{"timestamptz", []string{"'2024-01-01 00:00:00Z'", "'2024-01-01 00:00:00.000001Z'", "'infinity'", "null"}},
	{"jsonb", []string{`'{"a": 1}'`, `'{"a": 1.0}'`, "'null'", "null"}},
	{"int[]", []string{"'{}'", "'{1,2}'", "'{2,1}'", "'{NULL}'", "null"}},
}

// TestSeeds compares small random tables that were made equal, and then
// perhaps changed: what another way of looking finds equal must be found equal,
// and nothing else.
func TestSeeds(t *testing.T) {
	runs := 200
	if pgtest.Long() {
		runs = 10_000
	}
	p := pair(t)
	columns := "id int"
	for i, c := range mixed {
		columns += fmt.Sprintf(", c%d %s", i, c.typ)
	}
	pgtest.Exec(t, p[0].conn, `create table "Thing's" (`+columns+`)`)
	pgtest.Exec(t, p[1].conn, `create table other (`+columns+`)`)
	equal, different := 0, 0
	for seed := range runs {
		rnd := rand.New(rand.NewPCG(uint64(seed), 4))
		seeded(t, p, rnd)
		whole := func(end int, name string) []string {
			return pgtest.Column[string](t, p[end].conn, `select x::text from `+name+` x order by x::text collate "C"`)
		}
		same := slices.Equal(whole(0, `"Thing's"`), whole(1, "other"))
		table := thing
		if rnd.IntN(2) == 0 {
			table.Key = nil
		}
		res, list := found(t, p, table, Options{md5: rnd.IntN(8) == 0})
		if res.Equal != same {
			t.Fatalf("seed %d: equal: %v, found equal: %v\n%s", seed, same, res.Equal, list)
		}
		if same {
			equal++
		} else {
			different++
		}
	}
	if equal < runs/10 || different < runs/10 {
		t.Fatalf("%d equal, %d different: the test shows little", equal, different)
	}
}

// seeded fills both tables with the same rows in another order, and then makes
// some change that is easily missed.
func seeded(t *testing.T, p [2]*side, rnd *rand.Rand) {
	t.Helper()
	value := func(c int) string { return mixed[c].values[rnd.IntN(len(mixed[c].values))] }
	var rows []string
	for id := range rnd.IntN(12) {
		row := fmt.Sprint(id)
		for c := range mixed {
			row += ", " + value(c)
		}
		rows = append(rows, "("+row+")")
		if rnd.IntN(6) == 0 {
			rows = append(rows, "("+row+")")
		}
	}
	fill := func(end int, name string) {
		sql := "truncate " + name
		if len(rows) > 0 {
			sql += "; insert into " + name + " values " + strings.Join(rows, ", ")
		}
		pgtest.Exec(t, p[end].conn, sql)
	}
	fill(0, `"Thing's"`)
	rnd.Shuffle(len(rows), func(i, j int) { rows[i], rows[j] = rows[j], rows[i] })
	fill(1, "other")
	a, b, c := rnd.IntN(12), rnd.IntN(12), rnd.IntN(len(mixed))
	var change string
	switch rnd.IntN(9) {
	case 0, 1: // none
	case 2: // two rows swap a value
		change = fmt.Sprintf(`update other x set c%d = y.c%[1]d from other y where x.id in (%d, %d) and y.id in (%[2]d, %[3]d) and x.id <> y.id`, c, a, b)
	case 3: // two columns of one type swap their values
		pairs := [][2]int{{2, 3}, {4, 5}}[rnd.IntN(2)]
		change = fmt.Sprintf(`update other set c%d = c%d, c%[2]d = c%[1]d where id = %d`, pairs[0], pairs[1], a)
	case 4:
		change = fmt.Sprintf(`update other set c%d = %s where id = %d`, c, value(c), a)
	case 5:
		change = fmt.Sprintf(`insert into other select * from other where id = %d`, a)
	case 6:
		change = fmt.Sprintf(`delete from other where ctid = (select ctid from other where id = %d limit 1)`, a)
	case 7: // one goes, another comes twice
		change = fmt.Sprintf(`delete from other where ctid = (select ctid from other where id = %d limit 1);
			insert into other select * from other where id = %d limit 1`, a, b)
	case 8: // numbers that differ by what their hash leaves out
		change = fmt.Sprintf(`update other set c4 = -c4, c5 = c5 * 10000, c1 = 1 where id = %d`, a)
	}
	if change != "" {
		pgtest.Exec(t, p[1].conn, change)
	}
}
