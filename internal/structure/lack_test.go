package structure_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/pgtest"
)

// What the subscriber's server has not is told, and the rest is made.
func TestWhatIsNotThereIsTold(t *testing.T) {
	exec1(t, pgtest.Admin(t, pgtest.Server(t), "postgres"), `create role struct_only_here`)
	prov, sub := database(t, pgtest.Server(t)), database(t, pgtest.Second(t))
	exec1(t, prov, `
		create function here() returns int language sql immutable as 'select 1';
		create table other (id int primary key);
		create table t (id int primary key, a int default here(), b int references other, c int check (c > here()));
		create index on t ((a + here()));
		grant select on t to struct_only_here, struct_reader;
		alter table t enable row level security;
		create policy p on t to struct_only_here using (true)`)
	names := []ident.Name{{Schema: "public", Name: "t"}}
	mend(t, sub, differences(t, prov, sub, names))
	left := texts(differences(t, prov, sub, names))
	const want = `default of column "a" of table public.t is public.here() at the provider, none at the subscriber; function public.here() does not exist there
constraint "t_c_check" of table public.t cannot be made at the subscriber: function public.here() does not exist there
constraint "t_b_fkey" of table public.t cannot be made at the subscriber: table public.other does not exist there
index "t_expr_idx" of table public.t cannot be made at the subscriber: function public.here() does not exist there
policy "p" of table public.t cannot be made at the subscriber: role struct_only_here does not exist there
grant to "struct_only_here" of table public.t is SELECT at the provider, none at the subscriber; role struct_only_here does not exist there
`
	if lines(left) != lines(want) {
		t.Errorf("left:\n%s\nwant:\n%s", left, want)
	}

	// A column that is computed by it cannot be left out.
	exec1(t, prov, `create table g (id int primary key, a int generated always as (id + here()) stored)`)
	found := differences(t, prov, sub, []ident.Name{{Schema: "public", Name: "g"}})
	if len(found) != 2 || !found[1].Breaks || len(found[0].SQL) > 0 {
		t.Errorf("%s", texts(found))
	}
}

// lines are those of a text in order.
func lines(s string) string {
	all := strings.Split(s, "\n")
	slices.Sort(all)
	return strings.Join(all, "\n")
}
