package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/pgserver"
	"github.com/skytools-go/skytools/schema"
)

const (
	table = "create table ev (id bigint primary key, grp int not null, name text, amount numeric(12,2), ts timestamptz, doc jsonb)"
	rowOf = "g, (g%1000)::int, 'name-'||md5(g::text), ((g%1000000)/7.0)::numeric(12,2), timestamptz '2024-01-01' + g*interval '1 s'," +
		" jsonb_build_object('k', g%100, 'tag', substr(md5(g::text),1,8))"
)

// variant is one way to capture, in a database of its own.
type variant struct {
	name    string
	install []string // statements after the table is there
	ours    bool     // schema.Install comes first
	skipped string   // why it cannot run here

	conn   *pgx.Conn
	pid    int
	events string // statement that empties the queue
	result map[string][]float64
}

func all() []*variant {
	trigger := func(function string) []string {
		return []string{
			"create extension pgq", "select pgq.create_queue('q')",
			"create trigger cap after insert or update or delete on ev for each row execute function pgq." + function + "('q')",
		}
	}
	install := func(options string) []string {
		return []string{"select pgq.create_queue('q')", "select skytools.capture_install('q', 'public', 'ev', '" + options + "')"}
	}
	return []*variant{
		{name: "none"},
		{name: "C logutriga", install: trigger("logutriga")},
		{name: "C jsontriga", install: trigger("jsontriga")},
		{name: "ours", ours: true, install: install("{}")},
		{name: "ours, row mode", ours: true, install: install(`{"mode": "row"}`)},
		{name: "ours, urlenc", ours: true, install: install(`{"format": "urlenc"}`)},
	}
}

func (v *variant) prepare(ctx context.Context, s *pgserver.Server) error {
	database := "v_" + strings.ToLower(strings.NewReplacer(" ", "_", ",", "").Replace(v.name))
	admin, err := pgx.Connect(ctx, s.DSN("postgres", pgserver.Superuser))
	if err != nil {
		return err
	}
	defer admin.Close(ctx)
	if len(v.install) > 0 && strings.HasPrefix(v.install[0], "create extension") {
		var there bool
		if err := admin.QueryRow(ctx, "select exists (select from pg_available_extensions where name = 'pgq')").Scan(&there); err != nil {
			return err
		}
		if !there {
			v.skipped = "the server has no extension pgq (Debian: postgresql-NN-pgq3)"
			return nil
		}
	}
	if _, err := admin.Exec(ctx, "create database "+database); err != nil {
		return err
	}
	if v.conn, err = pgx.Connect(ctx, s.DSN(database, pgserver.Superuser)); err != nil {
		return err
	}
	v.pid = int(v.conn.PgConn().PID())
	v.result = map[string][]float64{}
	if v.ours {
		if _, err := schema.Install(ctx, v.conn, schema.Options{}); err != nil {
			return err
		}
	}
	for _, sql := range append([]string{table}, v.install...) {
		if _, err := v.conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	if len(v.install) > 0 {
		v.events = "truncate pgq.event_1_0, pgq.event_1_1, pgq.event_1_2"
	}
	return nil
}

func (v *variant) close() { _ = v.conn.Close(context.Background()) }

// round takes every measure once.
func (v *variant) round(ctx context.Context, opt settings) error {
	half := opt.rows / 2
	if err := v.exec(ctx, "drop table if exists src", "create unlogged table src (like ev)",
		fmt.Sprintf("insert into src select %s from generate_series(1, %d) g", rowOf, opt.rows), "analyze src"); err != nil {
		return err
	}
	if err := v.clear(ctx); err != nil {
		return err
	}
	for _, b := range []struct {
		metric, sql string
		rows        int
	}{
		{"bulk insert", "insert into ev select * from src", opt.rows},
		{"bulk update", fmt.Sprintf("update ev set amount = amount + 1, ts = now() where id <= %d", half), half},
		{"bulk delete", fmt.Sprintf("delete from ev where id > %d", half), half},
	} {
		cpu, _, err := v.measure(func() error { return v.exec(ctx, b.sql) })
		if err != nil {
			return err
		}
		v.result[b.metric] = append(v.result[b.metric], cpu/float64(b.rows))
	}
	for _, durable := range []string{"off", "on"} {
		if err := v.exec(ctx, "set synchronous_commit = "+durable); err != nil {
			return err
		}
		if err := v.singles(ctx, opt, durable); err != nil {
			return err
		}
	}
	return nil
}

// singles writes single rows, one transaction each, over prepared statements.
func (v *variant) singles(ctx context.Context, opt settings, durable string) error {
	if err := v.clear(ctx); err != nil {
		return err
	}
	n := 0
	for _, b := range []struct{ metric, sql string }{
		{"insert", "insert into ev select $1::bigint, 5, 'name-6512bd43d9caa6e02c990b0a82652dca', 12.50, now(), '{\"k\": 1, \"tag\": \"6512bd43\"}'"},
		{"update", "update ev set amount = amount + 1, ts = now() where id = $1::bigint % 1000 + 1"},
	} {
		done := 0
		cpu, wall, err := v.measure(func() error {
			for end := time.Now().Add(time.Duration(opt.seconds * float64(time.Second))); time.Now().Before(end); done++ {
				n++
				if _, err := v.conn.Exec(ctx, b.sql, n); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		key := b.metric + " synchronous_commit=" + durable
		v.result["tps "+key] = append(v.result["tps "+key], float64(done)/wall.Seconds())
		v.result["cpu "+key] = append(v.result["cpu "+key], cpu/float64(done))
	}
	return nil
}

func (v *variant) clear(ctx context.Context) error {
	if err := v.exec(ctx, "truncate ev"); err != nil {
		return err
	}
	if v.events != "" {
		if err := v.exec(ctx, v.events); err != nil {
			return err
		}
	}
	return v.exec(ctx, "vacuum ev", "checkpoint")
}

func (v *variant) exec(ctx context.Context, statements ...string) error {
	for _, sql := range statements {
		if _, err := v.conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
	}
	return nil
}

// measure returns the CPU that the backend used in do, in microseconds, and
// the wall clock's time.
func (v *variant) measure(do func() error) (cpu float64, wall time.Duration, err error) {
	before, err := v.cpu()
	if err != nil {
		return 0, 0, err
	}
	start := time.Now()
	if err := do(); err != nil {
		return 0, 0, err
	}
	wall = time.Since(start)
	after, err := v.cpu()
	return after - before, wall, err
}

func (v *variant) cpu() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", v.pid))
	if err != nil {
		return 0, err
	}
	onCPU, _, _ := strings.Cut(string(text), " ")
	ns, err := strconv.ParseFloat(onCPU, 64)
	return ns / 1000, err
}
