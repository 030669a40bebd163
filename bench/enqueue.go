package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/skytools-go/skytools/pgq"
	"github.com/skytools-go/skytools/schema"
)

// load is one way to write events: so many producers at once, each with a
// session of its own, a transaction an event or a statement a thousand.
type load struct {
	producers int
	batched   bool
	bytes     int // of ev_data
}

func (l load) String() string {
	return fmt.Sprintf("%s, %d B, %d at once", map[bool]string{false: "single", true: "batched"}[l.batched], l.bytes, l.producers)
}

const eventsOfBatch = 1000

// loads are all that are measured.
func loads() []load {
	var all []load
	for _, batched := range []bool{false, true} {
		for _, bytes := range []int{100, 2048} {
			for _, producers := range []int{1, 4, 16} {
				all = append(all, load{producers, batched, bytes})
			}
		}
	}
	return all
}

func enqueueLines() []line {
	var all []line
	for _, l := range loads() {
		goal := &bound{0.9, true, true}
		if l.batched {
			goal = &bound{1, true, true}
		}
		all = append(all, line{l.String(), "events/s", nil, goal})
	}
	return all
}

// queueVariant is one kind of queue, in a database of its own.
type queueVariant struct {
	name    string
	install []string
	ours    bool
	single  string // $1: data
	many    string // $1: array of data
	tables  string // to be emptied
	dsn     string
	conn    *pgx.Conn
}

const (
	extensionQueue = "C extension"
	lockedTable    = "SKIP LOCKED"
)

func queueVariants() []*queueVariant {
	const tables = "pgq.event_1_0, pgq.event_1_1, pgq.event_1_2"
	const single = "select pgq.insert_event('q', 'type', $1)"
	return []*queueVariant{
		{
			name: extensionQueue, install: []string{"create extension pgq", "select pgq.create_queue('q')"}, tables: tables,
			single: single, many: "select count(pgq.insert_event('q', 'type', d)) from unnest($1::text[]) d",
		},
		{name: ours, ours: true, install: []string{"select pgq.create_queue('q')"}, tables: tables, single: single},
		{
			name: lockedTable, tables: "job",
			install: []string{"create table job (id bigserial primary key, at timestamptz not null default now(), type text, data text)"},
			single:  "insert into job (type, data) values ('type', $1) returning id",
			many:    "insert into job (type, data) select 'type', d from unnest($1::text[]) d",
		},
	}
}

// withQueues makes the kinds of queues that the server can have.
func (b *bench) withQueues(ctx context.Context, fn func(ctx context.Context, all []*queueVariant) error) (err error) {
	s, err := startServer(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.remove()) }()
	var all []*queueVariant
	for i, v := range queueVariants() {
		name := fmt.Sprintf("queue_%d", i)
		if err := s.administer(ctx, "create database "+name); err != nil {
			return err
		}
		v.dsn = s.DSN(name, "postgres")
		if v.conn, err = pgx.Connect(ctx, v.dsn); err != nil {
			return err
		}
		defer v.conn.Close(context.WithoutCancel(ctx))
		if v.ours {
			if _, err := schema.Install(ctx, v.conn, schema.Options{}); err != nil {
				return err
			}
		}
		if err := execAll(ctx, v.conn, v.install...); err != nil {
			if v.name != extensionQueue {
				return err
			}
			fmt.Fprintf(b.log, "%s is left out: %v\n", v.name, err)
			continue
		}
		all = append(all, v)
	}
	return fn(ctx, all)
}

// enqueue measures how fast events get in.
func (b *bench) enqueue(ctx context.Context) error {
	return b.withQueues(ctx, func(ctx context.Context, all []*queueVariant) error {
		return b.rounds(ctx, []string{"all queues"}, func(ctx context.Context, _ string) error {
			for _, l := range loads() {
				if err := errors.Join(b.awaitQuiet(ctx), b.enqueueLoad(ctx, l, all)); err != nil {
					return fmt.Errorf("%s: %w", l, err)
				}
			}
			return nil
		})
	})
}

// enqueueLoad has the kinds of queues take turns, as single rows of capture do.
func (b *bench) enqueueLoad(ctx context.Context, l load, all []*queueVariant) error {
	const turns = 4
	for _, v := range all {
		if err := execAll(ctx, v.conn, "truncate "+v.tables, "checkpoint"); err != nil {
			return err
		}
	}
	n := b.queueSingles
	if l.batched {
		n = b.queueBatches * eventsOfBatch
	}
	each := max(1, n/turns/l.producers) // events of a producer in a turn
	if l.batched {
		each = max(eventsOfBatch, each/eventsOfBatch*eventsOfBatch)
	}
	wall := map[string]time.Duration{}
	for range turns {
		slices.Reverse(all)
		for _, v := range all {
			took, err := v.write(ctx, l, each)
			if err != nil {
				return fmt.Errorf("%s: %w", v.name, err)
			}
			wall[v.name] += took
		}
	}
	for _, v := range all {
		var there int
		if err := v.conn.QueryRow(ctx, "select count(*) from "+v.parent()).Scan(&there); err != nil {
			return err
		}
		if there != turns*each*l.producers {
			return fmt.Errorf("%s holds %d events of %d", v.name, there, turns*each*l.producers)
		}
		b.add(v.name, l.String(), float64(there)/wall[v.name].Seconds())
	}
	return nil
}

// parent is the table that shows all events.
func (v *queueVariant) parent() string {
	if v.name == lockedTable {
		return v.tables
	}
	return "pgq.event_1"
}

// write has l's producers write so many events each, and returns how long that
// took, sessions made before.
func (v *queueVariant) write(ctx context.Context, l load, each int) (time.Duration, error) {
	conns := make([]*pgx.Conn, l.producers)
	for i := range conns {
		var err error
		if conns[i], err = pgx.Connect(ctx, v.dsn); err != nil {
			return 0, err
		}
		defer conns[i].Close(context.WithoutCancel(ctx))
		if err := execAll(ctx, conns[i], "set synchronous_commit = off"); err != nil {
			return 0, err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	for _, conn := range conns {
		g.Go(func() error {
			if l.batched {
				return v.writeMany(ctx, conn, strings.Repeat("d", l.bytes), each)
			}
			data := strings.Repeat("d", l.bytes)
			for range each {
				if _, err := conn.Exec(ctx, v.single, data); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := g.Wait()
	return time.Since(start), err
}

func (v *queueVariant) writeMany(ctx context.Context, conn *pgx.Conn, data string, n int) error {
	if v.ours {
		producer := pgq.Producer{Queue: "q"}
		events := slices.Repeat([]pgq.Event{{Type: "type", Data: []byte(data)}}, eventsOfBatch)
		for range n / eventsOfBatch {
			if _, err := producer.InsertMany(ctx, conn, events); err != nil {
				return err
			}
		}
		return nil
	}
	events := slices.Repeat([]string{data}, eventsOfBatch)
	for range n / eventsOfBatch {
		if _, err := conn.Exec(ctx, v.many, events); err != nil {
			return err
		}
	}
	return nil
}
