package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/schema"
)

var captureLines = []line{
	{"bulk insert, CPU", "us/row", &bound{1, false, true}, nil},
	{"bulk update, CPU", "us/row", &bound{1, false, true}, nil},
	{"bulk delete, CPU", "us/row", &bound{1, false, true}, nil},
	{"bulk insert, CPU added", "us/row", nil, &bound{6, false, false}},
	{"single insert", "tx/s", &bound{1, true, true}, nil},
	{"single update", "tx/s", &bound{1, true, true}, nil},
	{"single delete", "tx/s", &bound{1, true, true}, nil},
	{"single insert, durable", "tx/s", &bound{1, true, true}, nil},
	{"single rows, all three", "tx/s", &bound{1, true, true}, nil},
	{"single row, to no capture", "ratio of tx/s", nil, &bound{0.9, true, false}},
	{"single insert, CPU", "us/tx", nil, nil},
	{"single update, CPU", "us/tx", nil, nil},
	{"single delete, CPU", "us/tx", nil, nil},
}

// variant is one way to capture, in a database of its own.
type variant struct {
	name    string
	install []string // statements after the table is there
	ours    bool     // schema.Install comes first
	slow    bool     // measured by a tenth of the rows, and not by single ones
	conn    *pgx.Conn
}

func variants() []*variant {
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
		{name: none},
		{name: "C logutriga", install: trigger("logutriga")},
		{name: "C jsontriga", install: trigger("jsontriga")},
		{name: ours, ours: true, install: install("{}")},
		{name: "ours, row mode", ours: true, install: install(`{"mode": "row"}`)},
		{name: "ours, logutriga", ours: true, slow: true, install: trigger("logutriga")[1:]},
		{name: "ours, urlenc", ours: true, slow: true, install: install(`{"format": "urlenc"}`)},
	}
}

const none = "no capture"

// capture measures what capturing a table costs its writers, on one server.
// CPU is what the kernel says that the writer's server process got
// (schedstat), so it leaves out what else the machine does.
func (b *bench) capture(ctx context.Context) (err error) {
	s, err := startServer(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	var all []*variant
	for i, v := range variants() {
		there, err := v.prepare(ctx, s, fmt.Sprintf("capture_%d", i))
		if err != nil {
			return fmt.Errorf("prepare %s: %w", v.name, err)
		}
		if !there {
			fmt.Fprintf(b.log, "%s is left out: the server has no extension pgq (Debian: postgresql-NN-pgq3)\n", v.name)
			continue
		}
		defer v.conn.Close(context.WithoutCancel(ctx))
		all = append(all, v)
	}
	return b.rounds(ctx, []string{"all variants"}, func(ctx context.Context, _ string) error {
		if err := b.awaitQuiet(ctx); err != nil {
			return err
		}
		plain := 0.0
		for _, v := range all {
			cpu, err := b.bulk(ctx, v)
			if err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
			if v.name == none {
				plain = cpu
			}
			b.add(v.name, "bulk insert, CPU added", cpu-plain)
		}
		return b.singles(ctx, slices.DeleteFunc(slices.Clone(all), func(v *variant) bool { return v.slow }))
	})
}

// prepare makes the variant's database; false where the server cannot.
func (v *variant) prepare(ctx context.Context, s *server, name string) (bool, error) {
	if err := s.administer(ctx, "create database "+name); err != nil {
		return false, err
	}
	var err error
	if v.conn, err = pgx.Connect(ctx, s.DSN(name, "postgres")); err != nil {
		return false, err
	}
	if v.install != nil && !v.ours {
		var there bool
		err := v.conn.QueryRow(ctx, "select exists (select from pg_available_extensions where name = 'pgq')").Scan(&there)
		if err != nil || !there {
			return false, errors.Join(err, v.conn.Close(ctx))
		}
	}
	if v.ours {
		if _, err := schema.Install(ctx, v.conn, schema.Options{}); err != nil {
			return false, err
		}
	}
	return true, execAll(ctx, v.conn, append([]string{tableSQL}, v.install...)...)
}

// bulk measures one statement of each kind over many rows, and returns the
// CPU of the insert.
func (b *bench) bulk(ctx context.Context, v *variant) (insert float64, err error) {
	rows := b.captureRows
	if v.slow {
		rows /= 10
	}
	half := rows / 2
	err = v.exec(ctx, "drop table if exists src", "create unlogged table src (like ev)",
		fmt.Sprintf("insert into src select %s from generate_series(1, %d) g", rowOf, rows), "analyze src")
	if err := errors.Join(err, v.clear(ctx)); err != nil {
		return 0, err
	}
	for _, do := range []struct {
		metric, sql string
		rows        int
	}{
		{"bulk insert, CPU", "insert into ev select * from src", rows},
		{"bulk update, CPU", fmt.Sprintf("update ev set amount = amount + 1, ts = now() where id <= %d", half), half},
		{"bulk delete, CPU", fmt.Sprintf("delete from ev where id > %d", half), half},
	} {
		cpu, _, err := v.measure(func() error { return v.exec(ctx, do.sql) })
		if err != nil {
			return 0, err
		}
		us := cpu / float64(do.rows)
		b.add(v.name, do.metric, us)
		if insert == 0 {
			insert = us
		}
	}
	return insert, nil
}

// turns is into how many pieces a measurement of single rows is cut: the
// variants take turns, each second time backwards, so that what else the
// machine does meets all of them.
const turns = 10

// singles writes single rows, one transaction each, over prepared statements.
func (b *bench) singles(ctx context.Context, all []*variant) error {
	for _, v := range all {
		if err := v.clear(ctx); err != nil {
			return err
		}
	}
	const insert = "insert into ev select $1::bigint, 5, 'name-6512bd43d9caa6e02c990b0a82652dca', 12.50, now(), '{\"k\": 1, \"tag\": \"6512bd43\"}'"
	sum := map[string]time.Duration{}
	for _, do := range []struct {
		metric, durable, sql string
		from, n              int
	}{
		{"single insert", "off", insert, 0, b.captureSingles},
		{"single update", "off", "update ev set amount = amount + 1, ts = now() where id = $1::bigint", 0, b.captureSingles},
		{"single delete", "off", "delete from ev where id = $1::bigint", 0, b.captureSingles},
		{"single insert, durable", "on", insert, b.captureSingles, b.captureSingles / 10},
	} {
		wall, cpu := map[string]time.Duration{}, map[string]float64{}
		for turn := range turns {
			slices.Reverse(all)
			for _, v := range all {
				c, w, err := v.measure(func() error {
					return v.each(ctx, do.durable, do.sql, do.from+turn*do.n/turns, do.from+(turn+1)*do.n/turns)
				})
				if err != nil {
					return fmt.Errorf("%s, %s: %w", v.name, do.metric, err)
				}
				cpu[v.name] += c
				wall[v.name] += w
			}
		}
		for _, v := range all {
			b.add(v.name, do.metric, float64(do.n)/wall[v.name].Seconds())
			b.add(v.name, do.metric+", CPU", cpu[v.name]/float64(do.n))
			if do.durable == "off" {
				sum[v.name] += wall[v.name]
			}
		}
	}
	for _, v := range all {
		b.add(v.name, "single rows, all three", float64(3*b.captureSingles)/sum[v.name].Seconds())
		b.add(v.name, "single row, to no capture", sum[none].Seconds()/sum[v.name].Seconds())
	}
	return nil
}

// each runs a statement for each id after from up to to.
func (v *variant) each(ctx context.Context, durable, sql string, from, to int) error {
	if err := v.exec(ctx, "set synchronous_commit = "+durable); err != nil {
		return err
	}
	for id := from + 1; id <= to; id++ {
		if _, err := v.conn.Exec(ctx, sql, id); err != nil {
			return err
		}
	}
	return nil
}

func (v *variant) exec(ctx context.Context, statements ...string) error {
	return execAll(ctx, v.conn, statements...)
}

// clear empties the table and the queue.
func (v *variant) clear(ctx context.Context) error {
	if err := v.exec(ctx, "truncate ev"); err != nil {
		return err
	}
	if v.install != nil {
		if err := v.exec(ctx, "truncate pgq.event_1_0, pgq.event_1_1, pgq.event_1_2"); err != nil {
			return err
		}
	}
	return v.exec(ctx, "vacuum ev", "checkpoint")
}

// measure returns the CPU that the server process used in do, in
// microseconds, and the wall clock's time.
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
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", v.conn.PgConn().PID()))
	if err != nil {
		return 0, err
	}
	onCPU, _, _ := strings.Cut(string(text), " ")
	ns, err := strconv.ParseFloat(onCPU, 64)
	return ns / 1000, err
}
