package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/skytools-go/skytools/internal/compare"
	"github.com/skytools-go/skytools/internal/ident"
)

var compareLines = []line{
	{"bytes of rows per CPU of a server", "MB/s a core", nil, &bound{200, true, false}},
	{"foreground, to none", "ratio of tx/s", nil, &bound{0.95, true, false}},
	{"foreground without", "tx/s", nil, nil},
	{"foreground with", "tx/s", nil, nil},
}

const (
	rowBytes      = 120 // of the table of the figures
	foregroundFor = 20 * time.Second
	foregrounders = 4
)

// compare measures what it costs to compare a table that is equal on two
// servers, and how much its usual pace leaves to the provider's own work. The
// foreground changes single rows; it is measured without and with, in turn.
func (b *bench) compare(ctx context.Context) (err error) {
	p, err := newPair(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.remove()) }()
	for _, s := range p.both() {
		err := s.exec(ctx, fmt.Sprintf("insert into ev select %s from generate_series(1, %d) g", rowOf, b.copyRows), "vacuum freeze analyze ev")
		if err != nil {
			return err
		}
	}
	round := 0
	return b.rounds(ctx, []string{ours}, func(ctx context.Context, _ string) error {
		round++
		if err := b.awaitQuiet(ctx); err != nil {
			return err
		}
		before := cpuOf(p.provider.PID()) + cpuOf(p.subscriber.PID())
		if err := p.compared(ctx, compare.Pace{}); err != nil {
			return err
		}
		cpu := cpuOf(p.provider.PID()) + cpuOf(p.subscriber.PID()) - before
		b.add(ours, "bytes of rows per CPU of a server", 2*float64(b.copyRows)*rowBytes/1e6/cpu.Seconds())
		with, without, err := p.beside(ctx, b.copyRows, round%2 == 0)
		if err != nil {
			return err
		}
		b.add(ours, "foreground without", without)
		b.add(ours, "foreground with", with)
		b.add(ours, "foreground, to none", with/without)
		return nil
	})
}

// beside measures the foreground with comparisons beside it and without, in this
// order or the other: the second finds rows that the first has changed.
func (p *pair) beside(ctx context.Context, rows int, first bool) (with, without float64, err error) {
	if !first {
		if without, err = p.foreground(ctx, rows); err != nil {
			return 0, 0, err
		}
	}
	aside, stop := context.WithCancel(ctx)
	var comparing sync.WaitGroup
	var failed error
	comparing.Go(func() {
		for aside.Err() == nil && failed == nil {
			failed = p.compared(aside, compare.Pace{Yield: true})
		}
	})
	with, err = p.foreground(ctx, rows)
	stop()
	comparing.Wait()
	if failed != nil && !errors.Is(failed, context.Canceled) {
		err = errors.Join(err, failed)
	}
	if first && err == nil {
		without, err = p.foreground(ctx, rows)
	}
	return with, without, err
}

// compared compares once, under snapshots of this moment. Rows that the
// foreground has changed by now are different; they are not looked for.
func (p *pair) compared(ctx context.Context, pace compare.Pace) error {
	var ends [2]*compare.End
	for i, s := range p.both() {
		conn, err := pgx.Connect(ctx, s.dsn())
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		if ends[i], err = compare.Open(ctx, fmt.Sprint("server ", i), conn.Config(), 1); err != nil {
			return err
		}
		defer ends[i].Close()
		tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
		if err != nil {
			return err
		}
		if err := tx.QueryRow(ctx, "select pg_export_snapshot()").Scan(&ends[i].Snapshot); err != nil {
			return err
		}
	}
	ev := ident.Name{Schema: "public", Name: "ev"}
	_, err := compare.Compare(ctx, ends[0], ends[1], compare.Table{Provider: ev, Subscriber: ev, Key: []string{"id"}},
		compare.Options{Pace: pace, CountOnly: true})
	return err
}

// foreground changes single rows for a while and returns how many a second.
func (p *pair) foreground(ctx context.Context, rows int) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, foregroundFor+time.Minute)
	defer cancel()
	var group sync.WaitGroup
	counts, errs := make([]int, foregrounders), make([]error, foregrounders)
	begin := time.Now()
	for w := range foregrounders {
		group.Go(func() {
			conn, err := pgx.Connect(ctx, p.provider.dsn())
			if err != nil {
				errs[w] = err
				return
			}
			defer conn.Close(context.WithoutCancel(ctx))
			for id := w; time.Since(begin) < foregroundFor && errs[w] == nil; id += 7919 {
				_, errs[w] = conn.Exec(ctx, "update ev set grp = grp + 1 where id = $1", 1+id%rows)
				counts[w]++
			}
		})
	}
	group.Wait()
	total := 0
	for _, n := range counts {
		total += n
	}
	return float64(total) / time.Since(begin).Seconds(), errors.Join(errs...)
}
