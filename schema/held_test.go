package schema

import (
	"fmt"
	"testing"

	"github.com/skytools-go/skytools/internal/pgtest"
)

// TestHeldTransactionDoesNotSlow: while a transaction is held open no dead row
// version goes, and still a batch looks at as many pages of the consumer's row
// and key after hundreds of batches as at first.
func TestHeldTransactionDoesNotSlow(t *testing.T) {
	b := newBench(t)
	const batches = 400
	holder := pgtest.Connect(t, b.dsn)
	b.run(holder, `begin isolation level repeatable read`)
	b.run(holder, `select txid_current()`)
	b.run(b.own, `select skytools.claim('q', 'w', '1', 2, 'db', 'node', 1), pgq.register_consumer('q', 'w')`)
	b.run(b.own, `create procedure work(n int) language plpgsql as $$
		declare
			tick bigint;
		begin
			for i in 1 .. n loop
				tick := skytools.tick_write(1);
				commit;
				perform pgq.finish_batch(pgq.next_batch('q', 'c'));
				perform skytools.ack('q', 'w', tick, 1);
				commit;
			end loop;
		end $$`)
	b.run(b.own, `call work(5)`)
	pages := func() int {
		b.tick()
		return pgtest.One[int](b.t, b.own, `with before as materialized (select sum(pg_stat_get_xact_blocks_fetched(c)) as n
				from unnest('{pgq.subscription, pgq.subscription_pkey, pgq.subscription_batch_idx}'::regclass[]) c),
			work as materialized (select pgq.finish_batch(pgq.next_batch('q', 'c')), skytools.ack('q', 'w', (select max(tick_id) from pgq.tick), 1), n from before)
			select sum(pg_stat_get_xact_blocks_fetched(c)) - (select n from work)
				from unnest('{pgq.subscription, pgq.subscription_pkey, pgq.subscription_batch_idx}'::regclass[]) c where (select n from work) is not null`)
	}
	first := pages()
	b.run(b.own, `call work($1)`, batches)
	if dead := pgtest.One[int](b.t, b.own, `select pg_relation_size('pgq.subscription') / 8192`); dead < 10 {
		t.Fatalf("%d pages: nothing is held, the case does not arise", dead)
	}
	last := pages()
	t.Logf("%d pages at first, %d after %d batches", first, last, batches)
	if last > 3*first {
		t.Errorf("%d pages looked at after %d batches, %d at first", last, batches, first)
	}
	b.run(holder, `commit`)
}

// BenchmarkHeldTransaction is an hour of a consumer in short, while a
// transaction is held open: 36,000 ticks, each a batch, and 20 rotations. It
// reports how long the calls take in the first and in the last 2,000.
//
//	go test ./schema -run '^$' -bench HeldTransaction -benchtime 1x
func BenchmarkHeldTransaction(b *testing.B) {
	q := newBench(b)
	const ticks, rotations, sample = 36000, 20, 2000
	holder := pgtest.Connect(b, q.dsn)
	q.run(holder, `begin isolation level repeatable read`)
	q.run(holder, `select txid_current()`)
	q.run(q.own, `create table took (call text, part text, us float8);
		create procedure work(n int, part text) language plpgsql as $$
		declare
			call text;
			began timestamptz;
			id bigint;
		begin
			for i in 1 .. n loop
				foreach call in array array[
					$s$select pgq.insert_event('q', 't', 'd')$s$, $s$select skytools.tick('q')$s$,
					$s$select pgq.next_batch('q', 'c')$s$,
					'select pgq.finish_batch($1)'] loop
					began := clock_timestamp();
					execute call into id using id;
					if part is not null then
						insert into took values (split_part(call, '(', 1), part, extract(epoch from clock_timestamp() - began) * 1e6);
					end if;
					commit;
				end loop;
			end loop;
		end $$`)
	for b.Loop() {
		q.run(q.own, `call work($1, 'first')`, sample)
		for range rotations {
			q.run(q.own, `call work($1, null)`, (ticks-2*sample)/rotations)
			q.rotate()
		}
		q.run(q.own, `call work($1, 'last')`, sample)
	}
	for _, line := range pgtest.Column[string](b, q.own, `select format('%s %s %s us', call, part, percentile_cont(0.5) within group (order by us)::int) from took group by call, part order by 1`) {
		fmt.Println(line)
	}
}
