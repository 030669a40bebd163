package londiste_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/pgtest"
	"github.com/skytools-go/skytools/londiste"
)

// TestRepairOfShapes: the table may be partitioned at one end only, or draw
// values of its own. The statements printed make it equal, and so does --apply.
func TestRepairOfShapes(t *testing.T) {
	t.Parallel()
	const (
		plain       = `create table shaped (id int primary key, item text, n int)`
		partitioned = `create table shaped (id int primary key, item text, n int) partition by range (id);
			create table shaped_low (n int, item text, id int not null); alter table shaped attach partition shaped_low for values from (minvalue) to (10);
			create table shaped_high partition of shaped for values from (10) to (maxvalue)`
	)
	for _, c := range []struct{ name, provider, subscriber string }{
		{"provider partitioned", partitioned, plain},
		{"subscriber partitioned", plain, partitioned},
		{"both partitioned", partitioned, partitioned},
		{
			"generated and identity", `create table shaped (id int generated always as identity primary key, item text, n int generated always as (3) stored, g int)`,
			`create table shaped (id int generated always as identity primary key, item text, n int, g int generated always as (4) stored)`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFlow(t)
			f.exec(f.provConn, c.provider)
			f.exec(f.subConn, c.subscriber)
			f.exec(f.provConn, `insert into shaped (id, item) overriding system value select g, 'item ' || g from generate_series(1, 20) g`)
			f.add("shaped")
			start(t, f.worker.Run)
			f.eventually(f.subConn, `select merge_state from londiste.table_info`, "ok")
			const spoil = `delete from shaped where id in (3, 13); update shaped set item = 'it''s' where id in (4, 14);
				insert into shaped (id, item) overriding system value values (-1, 'x'), (100, null)`

			f.exec(f.subConn, spoil)
			statements := f.repair(false)
			if len(statements) != 6 {
				t.Errorf("%d statements:\n%s", len(statements), strings.Join(statements, "\n"))
			}
			for _, s := range statements {
				f.exec(f.subConn, s)
			}
			f.comparesEqual(20)

			f.exec(f.subConn, spoil)
			f.repair(true)
			f.comparesEqual(20)
		})
	}
}

// A number that the table always draws itself cannot be updated: a row with
// another one is made anew. That of a row of the subscriber's own, which the
// provider has by now, may be another.
func TestRepairOfIdentity(t *testing.T) {
	f := newFlow(t)
	f.both(`create table numbered (k text primary key, id int generated always as identity unique, v text)`)
	f.exec(f.provConn, `insert into numbered (k, v) select 'k' || g, 'v' from generate_series(1, 9) g`)
	f.add("numbered")
	start(t, f.worker.Run)
	f.allOK()
	const spoil = `delete from numbered where k in ('k1', 'k2', 'k7'); update numbered set v = 'x' where k = 'k3';
		insert into numbered (k, id, v) overriding system value values ('k2', 200, 'v'), ('k7', 700, 'x')`
	f.exec(f.subConn, spoil+`, ('x1', 801, 'x'), ('x2', 802, 'x')`)
	var statements []string
	rows := int64(9)
	f.ok(f.sub.Repair(t.Context(), londiste.Selection{}, londiste.CompareOptions{}, false, func(s string) error {
		for _, k := range []string{"x1", "x2"} { // the provider gets rows of which nothing was printed yet
			if len(statements) == 0 && !strings.Contains(s, k) {
				f.exec(f.provConn, `insert into numbered (k, v) values ('`+k+`', 'new')`)
				rows++
			}
		}
		statements = append(statements, s)
		return nil
	}, func(londiste.Comparison, int64) error { return nil }))
	all := strings.Join(statements, "\n")
	if len(statements) != 6 || strings.Count(all, "overriding system value") < 4 {
		t.Errorf("statements:\n%s", all)
	}
	f.caughtUp() // else the worker may put a row between a delete and its insert
	for _, s := range statements {
		f.exec(f.subConn, s)
	}
	f.comparesEqual(rows)
	f.exec(f.subConn, spoil)
	f.repair(true)
	f.comparesEqual(rows)
}

// Keys that are equal and have another text: the row is there, under the other
// text, and cannot be inserted.
func TestRepairOfKeysWithAnotherText(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create collation loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
		create table shaped (n numeric, f float8, t text collate loose, item text, primary key (n, f, t))`)
	f.exec(f.provConn, `insert into shaped select n, f, t, 'an item' from (values (1.0, 0.0), (2, 5)) k(n, f), (values ('Word'), ('other')) w(t)`)
	f.add("shaped")
	start(t, f.worker.Run)
	f.allOK()
	const spoil = `update shaped set n = 1.00, f = '-0', t = upper(t) where n = 1;
		update shaped set t = upper(t), item = 'x' where n = 2 and t = 'word';
		delete from shaped where n = 2 and t = 'other'; insert into shaped values (3.0, 1, 'mine', 'x')`

	f.exec(f.subConn, spoil)
	statements := f.repair(false)
	if text := strings.Join(statements, "\n"); len(statements) != 5 || strings.Count(text, "update ") != 3 ||
		strings.Count(text, "insert ") != 1 || strings.Count(text, "delete ") != 1 {
		t.Errorf("%d statements:\n%s", len(statements), text)
	}
	for _, s := range statements {
		f.exec(f.subConn, s)
	}
	f.comparesEqual(4)

	f.exec(f.subConn, spoil)
	f.repair(true)
	f.comparesEqual(4)
}

// Rows that a policy hides are not told as gone, and it does not run at all.
func TestRepairUnderPolicy(t *testing.T) {
	f := newFlow(t)
	f.both(`create table shaped (id int primary key)`)
	f.exec(f.provConn, `insert into shaped values (1)`)
	f.add("shaped")
	f.exec(f.provConn, `alter table shaped enable row level security; alter table shaped force row level security;
		create policy hidden on shaped using (1 / (id - 1) = 0)`)
	_, err := f.provConn.Exec(t.Context(), `select skytools.repair_emit($1, 'public', 'shaped', '[{"id": "1"}]')`, f.sub.Queue)
	f.fails(err, "would be affected by row-level security policy", "")
}

// repair returns the statements that it printed.
func (f *flow) repair(apply bool) (statements []string) {
	f.t.Helper()
	f.ok(f.sub.Repair(f.t.Context(), londiste.Selection{}, londiste.CompareOptions{}, apply, func(s string) error {
		statements = append(statements, s)
		return nil
	}, func(c londiste.Comparison, told int64) error {
		if c.Equal || c.Skipped != "" || c.Error != "" || apply != (told > 0) {
			f.t.Errorf("%+v, %d told", c, told)
		}
		return nil
	}))
	return statements
}

func (f *flow) comparesEqual(rows int64) {
	f.t.Helper()
	f.ok(f.sub.Compare(f.t.Context(), londiste.Selection{}, londiste.CompareOptions{}, func(c londiste.Comparison) error {
		if !c.Equal || c.Provider != rows {
			f.t.Errorf("not equal: %+v", c)
		}
		return nil
	}))
}

// TestRepairWithoutRights: the lock wants more than what capture does, and the
// refusal's hint is what gives it.
func TestRepairWithoutRights(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table shaped (id int primary key)`)
	f.exec(f.provConn, `insert into shaped values (1), (2)`)
	f.add("shaped")
	start(t, f.worker.Run)
	f.eventually(f.subConn, `select merge_state from londiste.table_info`, "ok")
	f.exec(f.subConn, `delete from shaped where id = 1`)
	for _, left := range []string{"select", "update"} {
		f.exec(f.provConn, `revoke all on shaped from current_user; grant `+left+` on shaped to current_user`)
		_, err := f.provConn.Exec(t.Context(), `select skytools.repair_emit($1, 'public', 'shaped', '[{"id": "1"}]')`, f.sub.Queue)
		f.fails(err, "may not read and lock table public.shaped", "grant select, update on table public.shaped to "+pgtest.Role)
	}
	f.exec(f.provConn, `grant select, update on table public.shaped to `+pgtest.Role)
	f.repair(true)
	f.comparesEqual(2)
}

// A table that cannot be read keeps no other from being compared and repaired.
func TestCompareGoesOnPastATable(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table closed (id int primary key); create table shaped (id int primary key)`)
	f.exec(f.provConn, `insert into shaped values (1), (2); insert into closed values (1)`)
	f.add("closed", "shaped")
	start(t, f.worker.Run)
	f.allOK()
	f.equal("public.closed", "public.shaped")
	f.exec(f.subConn, `delete from shaped where id = 1`)
	f.exec(f.provConn, `revoke select on closed from current_user`)
	var seen []string
	f.ok(f.sub.Repair(t.Context(), londiste.Selection{}, londiste.CompareOptions{}, true, nil, func(c londiste.Comparison, told int64) error {
		seen = append(seen, fmt.Sprintf("%s %d %v", c.Table, told, strings.Contains(c.Error, "permission denied for table closed")))
		return nil
	}))
	f.same(strings.Join(seen, ", "), "public.closed 0 true, public.shaped 1 false")
	f.exec(f.provConn, `grant select on closed to current_user`)
	f.equal("public.closed", "public.shaped")
}

// A table that is rewritten while its rows are told is compared once more, and
// what was told of it before is forgotten.
func TestRewrittenAmidRepair(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create table shaped (id int primary key, item text)`)
	f.exec(f.provConn, `insert into shaped select g, repeat('x', 500) from generate_series(1, 20000) g`)
	f.add("shaped")
	start(t, f.worker.Run)
	f.allOK()
	f.equal("public.shaped")
	f.exec(f.subConn, `update shaped set item = 'y' where id % 100 = 0`)
	told, again := 0, 0
	var rewrite *running
	f.ok(f.sub.Compare(t.Context(), named("shaped"), londiste.CompareOptions{
		Each: func(ident.Name, londiste.RowDifference) error {
			told++
			if again == 0 && told == 1 { // it gets the lock when these rows are read
				rewrite = start(t, func(ctx context.Context) error {
					conn, err := pgx.Connect(ctx, f.subDSN)
					if err != nil {
						return err
					}
					defer conn.Close(context.WithoutCancel(ctx))
					_, err = conn.Exec(ctx, `vacuum full shaped`)
					return err
				})
				f.eventually(f.subConn, `select count(*)::text from pg_locks where relation = 'shaped'::regclass and not granted`, "1")
			}
			return nil
		},
		Again: func() error {
			again++
			told = 0
			return nil
		},
	}, func(c londiste.Comparison) error {
		if c.Differing != 200 || told != 200 {
			t.Errorf("%d rows differ, %d were told", c.Differing, told)
		}
		return nil
	}))
	f.ok(rewrite.ended(t))
	if again != 1 {
		t.Errorf("compared again %d times", again)
	}
}

// TestRepairRunsNoCheck: the checks of a key's domain are another's, and would
// run with the rights of who owns the function.
func TestRepairRunsNoCheck(t *testing.T) {
	t.Parallel()
	f := newFlow(t)
	f.both(`create sequence seen; create function looked(int) returns bool language sql as $$ select nextval('public.seen') > 0 $$;
		create domain low as int not null check (public.looked(value)); create domain top as low; create type deep as (a int, b low);
		create table shaped (id top primary key, item low, doc jsonb); create table buried (id deep primary key)`)
	f.exec(f.provConn, `insert into shaped values (1, 1, '"a"'), (2, 2, null)`)
	f.add("shaped", "buried")
	start(t, f.worker.Run)
	f.allOK()
	f.exec(f.subConn, `delete from shaped where id = 1; insert into shaped values (7, 7)`)
	before := value[int64](f.pair, f.provConn, `select last_value from seen`)
	told := value[int64](f.pair, f.provConn, `select skytools.repair_emit('londiste.write', 'public', 'shaped', '[{"id": "1"}, {"id": "7"}]')`)
	if now := value[int64](f.pair, f.provConn, `select last_value from seen`); now != before || told != 2 {
		t.Errorf("%d calls, %d rows told", now-before, told)
	}
	f.equal("public.shaped")
	_, err := f.provConn.Exec(t.Context(), `select skytools.repair_emit('londiste.write', 'public', 'buried', '[{"id": "(1,2)"}]')`)
	f.fails(err, "domain public.low lies inside of its key", "resync")
}
