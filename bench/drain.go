package main

import (
	"context"
	"fmt"
)

var drainLines = []line{
	{"small transactions", "changes/s", &bound{1.5, true, true}, &bound{3, true, true}},
	{"small, CPU of all processes", "us/change", &bound{12, false, false}, &bound{9, false, false}},
	{"small, CPU provider", "us/change", nil, nil},
	{"small, CPU subscriber", "us/change", nil, nil},
	{"small, CPU daemons", "us/change", nil, nil},
	{"one transaction", "changes/s", &bound{1.5, true, true}, &bound{3, true, true}},
	{"one, CPU of all processes", "us/change", &bound{12, false, false}, &bound{9, false, false}},
	{"one, CPU provider", "us/change", nil, nil},
	{"one, CPU subscriber", "us/change", nil, nil},
	{"one, CPU daemons", "us/change", nil, nil},
	{"applied by sets", "%", &bound{100, true, false}, nil},
	{"memory of a daemon, most", "MiB", &bound{64, false, false}, &bound{64, false, false}},
}

// perTransaction is how many changes a small transaction has.
const perTransaction = 5

// A backlog is 60 % inserts, 30 % updates and 10 % deletes. Updates are of the
// upper half of the first $base rows, deletes of the lowest rows there are.
const backlogSQL = `create procedure backlog(changes int, per_transaction int, base int) language plpgsql as $$
declare
    newest bigint := (select max(id) from ev);
    oldest bigint := (select min(id) from ev where id > 0);
begin
    for i in 0 .. changes - 1 loop
        case
        when i % 10 < 6 then
            newest := newest + 1;
            insert into ev select ` + rowOf + ` from (values (newest)) as v (g);
        when i % 10 < 9 then
            update ev set amount = amount + 1, ts = ts + interval '1 min' where id = base - (i::bigint * 7919) % (base / 2);
        else
            delete from ev where id = oldest;
            oldest := oldest + 1;
        end case;
        if i % per_transaction = per_transaction - 1 then
            commit;
        end if;
    end loop;
end $$`

// drain measures how long it takes to catch up with a backlog.
func (b *bench) drain(ctx context.Context) error {
	fill := func(ctx context.Context, r *replica) error {
		return r.provider.exec(ctx, backlogSQL, fmt.Sprintf("insert into ev select %s from generate_series(1, %d) g", rowOf, b.base))
	}
	return b.rounds(ctx, both, func(ctx context.Context, who string) error {
		return b.withReplica(ctx, who, fill, func(ctx context.Context, r *replica) error {
			if err := r.drain(ctx, "small", "small transactions", []string{
				"set synchronous_commit = off",
				fmt.Sprintf("call backlog(%d, %d, %d)", b.changes, perTransaction, b.base),
				"set synchronous_commit = on",
			}); err != nil {
				return err
			}
			if err := r.drain(ctx, "one", "one transaction", b.oneTransaction()); err != nil {
				return err
			}
			return r.addSets(ctx)
		})
	})
}

func (b *bench) oneTransaction() []string {
	return []string{
		"begin",
		fmt.Sprintf("insert into ev select %s from (select (select max(id) from ev) + n as g from generate_series(1, %d) n) x", rowOf, b.changes*6/10),
		fmt.Sprintf("update ev set amount = amount + 1, ts = ts + interval '1 min' where id in (select id from ev where id > %d order by id limit %d)",
			b.base/2, b.changes*3/10),
		fmt.Sprintf("delete from ev where id in (select id from ev where id > 0 order by id limit %d)", b.changes/10),
		"commit",
	}
}

// drain writes a backlog while nothing is applied and measures until its last
// row, which is a marker, has arrived.
func (r *replica) drain(ctx context.Context, short, metric string, backlog []string) error {
	if err := r.pause(ctx); err != nil {
		return err
	}
	if err := r.provider.exec(ctx, backlog...); err != nil {
		return err
	}
	marker := -int64(len(r.bench.list) + 1)
	if err := r.provider.exec(ctx, fmt.Sprintf("insert into ev (id, grp) values (%d, 0)", marker)); err != nil {
		return err
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	var u usage
	err := r.profiled(ctx, "drain-"+short, func() (err error) {
		u, err = r.measure(func() error {
			if err := r.resume(ctx); err != nil {
				return err
			}
			return r.arrived(ctx, marker)
		})
		return err
	})
	if err != nil {
		return err
	}
	changes := float64(r.bench.changes)
	r.add(metric, changes/u.wall.Seconds())
	r.add(short+", CPU of all processes", u.cpu().Seconds()*1e6/changes)
	r.add(short+", CPU provider", u.provider.Seconds()*1e6/changes)
	r.add(short+", CPU subscriber", u.subscriber.Seconds()*1e6/changes)
	if len(r.daemons()) > 0 {
		r.add(short+", CPU daemons", u.daemons.Seconds()*1e6/changes)
	}
	if err := r.addMemory("memory of a daemon, most"); err != nil {
		return err
	}
	return r.equal(ctx)
}

// addSets notes what share of the changes was written by set statements.
func (r *replica) addSets(ctx context.Context) error {
	if r.who != ours {
		return nil
	}
	share, err := one[float64](ctx, r.subscriber, "select 100.0 * sum(by_sets) / sum(applied) from skytools.table_counter")
	r.add("applied by sets", share)
	return err
}
