package transfer

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/skytools-go/skytools/internal/hint"
	"github.com/skytools-go/skytools/internal/ident"
	"github.com/skytools-go/skytools/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }

// rig is two databases with a table t each.
type rig struct {
	testing.TB
	from, to *pgx.Conn
}

var t0 = ident.Name{Schema: "public", Name: "t"}

func newRig(t testing.TB, from, to string) *rig {
	t.Helper()
	open := func(sql string) *pgx.Conn {
		conn := pgtest.Connect(t, pgtest.Database(t, pgtest.Server(t), nil))
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	return &rig{t, open(from), open(to)}
}

func (r *rig) plan() Plan {
	r.Helper()
	p, err := NewPlan(r.Context(), r.from, t0, r.to, t0)
	if err != nil {
		r.Fatal(err)
	}
	return p
}

func (r *rig) run(p Pipe, out, in string) int64 {
	r.Helper()
	p.From, p.To = r.from, r.to
	n, err := p.Run(r.Context(), out, in)
	if err != nil {
		r.Fatal(err)
	}
	return n
}

// same wants t equal at both sides.
func (r *rig) same() {
	r.Helper()
	var texts [2]string
	for i, conn := range []*pgx.Conn{r.from, r.to} {
		err := conn.QueryRow(r.Context(), `select coalesce(string_agg(t::text, e'\n' order by t::text), '') from t`).Scan(&texts[i])
		if err != nil {
			r.Fatal(err)
		}
	}
	if texts[0] != texts[1] {
		r.Errorf("source:\n%.2000s\ndestination:\n%.2000s", texts[0], texts[1])
	}
}

func (r *rig) exec(conn *pgx.Conn, sql string) {
	r.Helper()
	if _, err := conn.Exec(r.Context(), sql); err != nil {
		r.Fatal(err)
	}
}

// Binary goes where its bytes mean the same, and no further.
func TestPlanOfTypes(t *testing.T) {
	const objects = `create type mood as enum ('sad', 'ok'); create domain age as int check (value > 0);
		create domain young as age check (value < 30); create type pair as (a int, b text);`
	r := newRig(t, objects, objects)
	for _, c := range []struct {
		typ, other string // "": the same
		binary     bool
	}{
		{"int, b text, c timestamptz[], d int4range, e numeric(5,2), f jsonb", "", true},
		{"mood", "", true},
		{"young", "", true},
		{"young", "int", true},
		{"int", "bigint", false},
		{"varchar(9)", "text", false},
		{"mood[]", "", false},
		{"pair", "", false},
		{"age[]", "", false},
		{"money", "", false},
		{"regclass", "", false},
	} {
		other := c.other
		if other == "" {
			other = c.typ
		}
		r.exec(r.from, "drop table if exists t; create table t (a "+c.typ+")")
		r.exec(r.to, "drop table if exists t; create table t (a "+other+")")
		p := r.plan()
		if got := strings.Contains(p.Out(), "binary"); got != c.binary {
			t.Errorf("%s to %s: binary %v, want %v", c.typ, other, got, c.binary)
		}
		value := map[string]string{
			"mood": "'ok'", "young": "7", "int": "1", "varchar(9)": "'x'", "mood[]": "'{ok,sad}'", "pair": "'(1,x)'",
			"age[]": "'{1}'", "money": "'1.5'", "regclass": "'pg_class'",
		}[c.typ]
		if value == "" {
			value = "1, 'x', '{now,null}', '[1,5)', 1.5, '{}'"
		}
		r.exec(r.from, "insert into t values ("+value+"), ("+strings.Repeat("null, ", strings.Count(c.typ, ", "))+"null)")
		if n := r.run(Pipe{}, p.Out(), p.In(false)); n != 2 {
			t.Errorf("%s: %d rows", c.typ, n)
		}
		r.same()
	}
}

func TestPlanOfColumns(t *testing.T) {
	r := newRig(t,
		`create table t ("a ""b" int, g int generated always as ("a ""b" * 2) stored, h int, i int generated always as identity);
		insert into t ("a ""b", h) values (1, 3)`,
		`create table t (i int generated always as identity, h int, g int not null, "a ""b" int, more int default 5)`)
	p := r.plan()
	r.run(Pipe{}, p.Out(), p.In(false))
	var got string
	if err := r.to.QueryRow(t.Context(), `select t::text from t`).Scan(&got); err != nil || got != "(1,3,2,1,5)" {
		t.Errorf("%s, %v", got, err)
	}
	r.exec(r.to, `alter table t drop column h`)
	_, err := NewPlan(t.Context(), r.from, t0, r.to, t0)
	if err == nil || !strings.Contains(err.Error(), "column h") || hint.Of(err) == "" {
		t.Errorf("error %v", err)
	}
}

// The side that fails is the one named, and both connections' statements end.
func TestPipeThatFails(t *testing.T) {
	const many = `create table t (a int); insert into t select generate_series(1, 200000)`
	r := newRig(t, many, `create table t (a int check (a < 100000))`)
	p := r.plan()
	_, err := Pipe{From: r.from, To: r.to}.Run(t.Context(), p.Out(), p.In(false))
	if err == nil || !strings.HasPrefix(err.Error(), "subscriber: ") || !strings.Contains(err.Error(), "check constraint") {
		t.Errorf("refused row: %v", err)
	}
	r = newRig(t, many, `create table t (a int)`)
	_, err = Pipe{From: r.from, To: r.to}.Run(t.Context(), "copy (select 1 / (150000 - a) from t) to stdout with (format binary)", p.In(false))
	if err == nil || !strings.HasPrefix(err.Error(), "provider: ") || !strings.Contains(err.Error(), "division by zero") {
		t.Errorf("failing source: %v", err)
	}
	r.to = pgtest.Connect(t, r.to.Config().ConnString())
	r.empty()
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	r = newRig(t, many, `create table t (a int)`)
	stuck := Pipe{From: r.from, To: r.to, Meter: func(ctx context.Context, _, _ int64) error {
		<-ctx.Done()
		return ctx.Err()
	}}
	if _, err := stuck.Run(ctx, p.Out(), p.In(false)); err == nil {
		t.Error("ended well although nothing passed")
	}
}

// empty wants the destination empty.
func (r *rig) empty() {
	r.Helper()
	var n int
	if err := r.to.QueryRow(r.Context(), `select count(*) from t`).Scan(&n); err != nil || n != 0 {
		r.Errorf("%d rows are left of a copy that failed, %v", n, err)
	}
}

// A huge row costs no more than four times its size.
func TestMemoryOfOneRow(t *testing.T) {
	const size = 64 << 20
	for _, typ := range []string{"text", "bytea"} {
		r := newRig(t, `create table t (a `+typ+`); alter table t alter a set storage external;
			insert into t values ('x'), (repeat('y', 64 << 20)::`+typ+`)`, `create table t (a `+typ+`)`)
		p := r.plan()
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		r.run(Pipe{}, p.Out(), p.In(false))
		runtime.ReadMemStats(&after)
		if spent := after.TotalAlloc - before.TotalAlloc; spent > 4*size {
			t.Errorf("a %s of %d MiB cost %d MiB", typ, size>>20, spent>>20)
		}
		var n int
		if err := r.to.QueryRow(t.Context(), `select max(length(a)) from t`).Scan(&n); err != nil || n != size {
			t.Errorf("%d bytes arrived, %v", n, err)
		}
	}
}

// TestReadWaitsNotForever: whoever holds the table may never end.
func TestReadWaitsNotForever(t *testing.T) {
	r := newRig(t, `create table t (id int)`, `create table t (id int)`)
	holder := pgtest.Connect(t, r.from.Config().ConnString())
	snap, err := TakeSnapshot(t.Context(), holder)
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close(t.Context())
	rewriter := pgtest.Connect(t, r.from.Config().ConnString())
	r.exec(rewriter, `begin; lock table t in access exclusive mode`)
	reading := pgtest.Connect(t, r.from.Config().ConnString())
	read := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		return snap.Read(ctx, reading, t0, 50*time.Millisecond, func(pgx.Tx) error { return nil })
	}
	if pg, ok := errors.AsType[*pgconn.PgError](read()); !ok || pg.Code != "55P03" {
		t.Errorf("%v, want a lock timeout", pg)
	}
	r.exec(rewriter, `rollback`)
	if err := read(); err != nil {
		t.Error(err)
	}
}
