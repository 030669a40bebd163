package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

var copyLines = []line{
	{"rows", "rows/s", &bound{1, true, true}, &bound{1.8, true, true}},
	{"duration", "s", nil, nil},
	{"oldest snapshot at the provider", "s", nil, nil},
	{"CPU of all processes", "us/row", nil, nil},
	{"CPU subscriber", "us/row", nil, nil},
	{"memory of a daemon, most", "MiB", &bound{64, false, false}, &bound{64, false, false}},
}

// Beside the peers of all sections: our copy without chunks, and the programs
// that copy without replicating, which leave a table that is stale at once.
const (
	oneStream = "ours, one stream"
	dump      = "pg_dump, pg_restore"
)

const (
	template   = "source"
	indexesSQL = "create index ev_grp on ev (grp); create index ev_ts on ev (ts)"
)

// copy measures the first copy of a table with a key and two more indexes,
// from the command that asks for it until the table is in sync. The provider
// is one for all; each copy has a database there, made from a template, and a
// subscriber of its own.
func (b *bench) copy(ctx context.Context) (err error) {
	provider, err := startServer(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, provider.remove()) }()
	if err := b.fillTemplate(ctx, provider); err != nil {
		return err
	}
	peers := []string{"native", dump, upstream, oneStream, ours}
	if lack := lacksUpstream(ctx, provider); lack != nil {
		fmt.Fprintf(b.log, "%s is left out: %v\n", upstream, lack)
		peers = slices.DeleteFunc(peers, func(who string) bool { return who == upstream })
	}
	return b.rounds(ctx, peers, func(ctx context.Context, who string) error { return b.copyOnce(ctx, provider, who) })
}

func (b *bench) fillTemplate(ctx context.Context, provider *server) error {
	err := provider.create(ctx, "")
	if err != nil {
		return err
	}
	err = provider.exec(ctx, tableSQL,
		fmt.Sprintf("insert into ev select %s from generate_series(1, %d) g", rowOf, b.copyRows), indexesSQL, "vacuum freeze analyze ev")
	if err != nil {
		return err
	}
	if err := provider.conn.Close(ctx); err != nil {
		return err
	}
	return provider.administer(ctx, "alter database "+database+" rename to "+template)
}

func (b *bench) copyOnce(ctx context.Context, provider *server, who string) (err error) {
	if err := provider.create(ctx, template); err != nil {
		return err
	}
	defer func() {
		ctx := context.WithoutCancel(ctx)
		err = errors.Join(err, provider.conn.Close(ctx), provider.administer(ctx, "drop database "+database+" with (force)"))
	}()
	subscriber, err := startServer(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, subscriber.remove()) }()
	p := &pair{provider, subscriber}
	r := &replica{pair: p, peer: b.peer(who, p), bench: b, who: who}
	defer func() { err = errors.Join(err, r.stop(context.WithoutCancel(ctx))) }()
	if err := subscriber.create(ctx, ""); err != nil {
		return err
	}
	if err := subscriber.exec(ctx, tableSQL, indexesSQL); err != nil {
		return err
	}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	var u usage
	oldest := provider.watchSnapshots(ctx)
	err = r.profiled(ctx, "copy", func() (err error) {
		u, err = r.measure(func() error { return r.attach(ctx) })
		return err
	})
	age, err2 := oldest()
	err = errors.Join(err, err2)
	if err != nil {
		return err
	}
	rows := float64(b.copyRows)
	r.add("rows", rows/u.wall.Seconds())
	r.add("duration", u.wall.Seconds())
	r.add("oldest snapshot at the provider", age.Seconds())
	r.add("CPU of all processes", u.cpu().Seconds()*1e6/rows)
	r.add("CPU subscriber", u.subscriber.Seconds()*1e6/rows)
	if err := r.addMemory("memory of a daemon, most"); err != nil {
		return err
	}
	return errors.Join(r.equal(ctx), r.indexed(ctx))
}

// indexed makes sure that the copy left the subscriber's indexes as they were.
func (r *replica) indexed(ctx context.Context) error {
	n, err := one[int](ctx, r.subscriber, "select count(*) from pg_index where indrelid = 'ev'::regclass and indisvalid")
	if err == nil && n != 3 {
		err = fmt.Errorf("%d valid indexes after the copy, not 3", n)
	}
	return err
}

// watchSnapshots looks until it is called for the session that has held back
// vacuum longest, and how long that was.
func (s *server) watchSnapshots(ctx context.Context) (stop func() (time.Duration, error)) {
	ctx, cancel := context.WithCancel(ctx)
	var most float64
	var failed error
	var done sync.WaitGroup
	done.Go(func() {
		conn, err := pgx.Connect(ctx, s.dsn())
		if err != nil {
			failed = err
			return
		}
		defer conn.Close(context.WithoutCancel(ctx))
		for ctx.Err() == nil {
			var age float64
			err := conn.QueryRow(ctx, `select coalesce(max(extract(epoch from clock_timestamp() - coalesce(xact_start, query_start))), 0)::float8
				from pg_stat_activity where pid <> pg_backend_pid() and (backend_xmin is not null
					or backend_type = 'walsender' and state = 'active' and query ilike 'copy %')`).Scan(&age)
			if err != nil && ctx.Err() == nil {
				failed = err
				return
			}
			most = max(most, age)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	})
	return func() (time.Duration, error) {
		cancel()
		done.Wait()
		return time.Duration(most * float64(time.Second)), failed
	}
}

// pgDump dumps the table into a folder and restores it from there, with two
// jobs at either side, indexes and all.
type pgDump struct {
	*pair
	dir string
}

func (pgDump) prepare(context.Context) error { return nil }

func (d pgDump) attach(ctx context.Context) error {
	folder := filepath.Join(d.dir, "dump")
	defer os.RemoveAll(folder)
	for _, words := range [][]string{
		{"pg_dump", "-Fd", "-j2", "-t", "ev", "-f", folder, d.provider.dsn()},
		{"pg_restore", "-j2", "--clean", "--if-exists", "-d", d.subscriber.dsn(), folder},
	} {
		cmd := exec.CommandContext(ctx, words[0], words[1:]...)
		if said, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w\n%s", words[0], err, said)
		}
	}
	return nil
}

func (pgDump) pause(context.Context) error  { return errors.ErrUnsupported }
func (pgDump) resume(context.Context) error { return errors.ErrUnsupported }
func (pgDump) daemons() []int               { return nil }
func (pgDump) stop(context.Context) error   { return nil }
