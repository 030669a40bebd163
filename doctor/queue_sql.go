package doctor

// The statements of checks of queues, see [Query]. What they read, ordinary roles may,
// but for tables that have no rows for them then.

const autovacuumSQL = `
	select 'failed', '', 'autovacuum is off: the tables of PgQ grow', 'set autovacuum = on in postgresql.conf, and reload'
	where current_setting('autovacuum') = 'off'
	union all
	select 'warning', format('%s.%s', schemaname, relname),
		format('%s dead rows beside %s live ones', n_dead_tup, n_live_tup),
		'find what keeps vacuum from them: an old transaction, a prepared one, a replication slot'
	from pg_stat_user_tables
	where schemaname in ('pgq', 'skytools') and relname !~ '^event_\d+_\d+$'
		and n_dead_tup > 10000 and n_dead_tup > 5 * n_live_tup`

const consumersSQL = `
	with c as (
		select q.queue_name, c.co_name, s.*, now() - s.sub_active as silent, q.queue_rotation_period as period,
			exists (select from pgq.tick t where t.tick_queue = s.sub_queue and t.tick_id = s.sub_last_tick) as stands
		from pgq.subscription s join pgq.queue q on q.queue_id = s.sub_queue join pgq.consumer c on c.co_id = s.sub_consumer
	)
	select 'failed', queue_name, format('consumer %s stands at tick %s, which is not there any more', co_name, sub_last_tick),
		format('events were lost for it; go on from now: select pgq.register_consumer_at(%L, %L, (select max(tick_id) from pgq.tick where tick_queue = %s))',
			queue_name, co_name, sub_queue)
	from c where sub_last_tick is not null and not stands
	union all
	select 'warning', queue_name, format('consumer %s was last seen %s ago', co_name, date_trunc('second', silent)),
		format('start it, or pgqadm INI unregister %s %s', queue_name, co_name)
	from c where stands and silent > greatest('1 day', 3 * period)`

const retriesSQL = `
	select 'failed', q.queue_name, format('events that should have come back: %s, the first %s ago', count(*), date_trunc('second', now() - min(ev_retry_after))),
		'see that the ticker runs, and its log'
	from pgq.retry_queue join pgq.queue q on q.queue_id = ev_queue
	where ev_retry_after < now() - interval '2 minutes' and not queue_disable_insert
	group by 2`

const delayedSQL = `
	select 'failed', q.queue_name, format('%s delayed events are due, the first for %s', count(*), date_trunc('second', now() - min(deliver_at))),
		'see that the ticker runs, and its log'
	from skytools.delayed_event join pgq.queue q on q.queue_id = ev_queue
	where deliver_at < now() - interval '2 minutes' and not queue_disable_insert
	group by 2`

const deadSQL = `
	select 'warning', queue_name, format('%s of consumer %s, the last one %s ago', count(*), consumer_name, date_trunc('second', now() - max(dead_time))),
		format('pgqadm INI dead list %s %s, then dead replay or dead purge', queue_name, consumer_name)
	from skytools.dead_events(null, null, null) group by queue_name, consumer_name order by 2`

// grantsSQL looks at one right of each kind that install grants. The roles
// belong to the server, and a restored database may meet one without them.
const grantsSQL = `
	with want (role, ok, what) as (
		select 'pgq_reader', has_function_privilege(r.oid, 'pgq.next_batch(text, text)', 'execute'), 'may not read batches'
		from pg_roles r where rolname = 'pgq_reader'
		union all
		select 'pgq_writer', has_function_privilege(r.oid, 'pgq.insert_event(text, text, text)', 'execute'), 'may not write events'
		from pg_roles r where rolname = 'pgq_writer'
		union all
		select 'pgq_admin', has_function_privilege(r.oid, 'pgq.create_queue(text)', 'execute'), 'may not create queues'
		from pg_roles r where rolname = 'pgq_admin'
		union all
		select 'pgq_reader', has_table_privilege(r.oid, to_regclass(queue_data_pfx || '_' || n::text), 'select'),
			format('may not read %s_%s', queue_data_pfx, n)
		from pg_roles r, pgq.queue, generate_series(0, queue_ntables - 1) n
		where rolname = 'pgq_reader' and to_regclass(queue_data_pfx || '_' || n::text) is not null
	)
	select 'failed', '', format('%s %s', role, what), 'pgqadm INI install grants what is missing'
	from want where not ok
	union all
	select 'ok', '', format('without roles (%s): only the owner has their rights; install says how to make them', string_agg(role, ', ')), ''
	from unnest(array['pgq_reader', 'pgq_writer', 'pgq_admin']) role where to_regrole(role) is null having count(*) > 0`

const tablesSQL = `
	with t as (
		select queue_name, queue_data_pfx || '_' || n::text as name, to_regclass(queue_data_pfx || '_' || n::text)::oid as oid
		from pgq.queue, generate_series(0, queue_ntables - 1) n
	)
	select 'failed', queue_name, format('event table %s is not there', name), 'restore it from a backup, or drop the queue by force'
	from t where oid is null
	union all
	select 'failed', queue_name, format('event table %s has no index on ev_txid: each batch reads all of it', name),
		format('create index on %s (ev_txid)', name)
	from t where oid is not null and not exists (
		select from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0]
		where i.indrelid = t.oid and a.attname = 'ev_txid' and i.indisvalid)`

// sequencesSQL: one that was restored without its value gives out numbers twice.
// The extension's stand at 1, unused.
const sequencesSQL = `
	with given (queue, seq, used) as (
		select queue_name, queue_tick_seq, (select max(tick_id) from pgq.tick where tick_queue = queue_id)
		from pgq.queue
		union all
		select queue_name, queue_event_seq, (select max(tick_event_seq) from pgq.tick where tick_queue = queue_id)
		from pgq.queue where not queue_external_ticker
		union all
		select '', 'pgq.batch_id_seq', (select max(sub_batch) from pgq.subscription)
	), may as (
		select *, coalesce(has_sequence_privilege(to_regclass(seq), 'usage, select'), true) as may from given
	), s as (
		select *, case when may then pg_sequence_last_value(to_regclass(seq)) end as have from may
	)
	select 'failed', queue, format('sequence %s is at %s, %s is in use', seq, coalesce(have::text, 'its begin'), used),
		format('select pgq.seq_setval(%L, %s)', seq, used)
	from s where may and coalesce(have, case when skytools.beside_extension() then 1 else 0 end) < used
	union all
	select 'unknown', '', format('%s may not read these sequences: %s', current_user, string_agg(seq, ', ' order by seq)),
		format('have their owner grant select on sequence %s to %I', string_agg(seq, ', ' order by seq), current_user)
	from s where not may having count(*) > 0`

// txidsSQL: after a dump was restored into another server, the ids in the
// tables are of the old one. Batches are then empty, or the rotation refuses.
const txidsSQL = `
	with now (next) as (select txid_snapshot_xmax(txid_current_snapshot()))
	select 'failed', queue_name, 'its ticks have transaction ids of another server, ahead of this one''s: no event will be found',
		'after the restore of a dump a queue starts anew: drop it by force, create it, register its consumers'
	from pgq.queue, now
	where queue_switch_step1 > next or exists (
		select from pgq.tick where tick_queue = queue_id and txid_snapshot_xmax(tick_snapshot) > next)`

// moveSQL knows a move that was begun and left by what its last step would have
// undone, see schema/move.go. Where writers are told to ask, it has not come
// as far as the extension.
const moveSQL = `
	select 'failed', '', 'a move from the extension pgq has stopped in the middle', 'pgqadm INI install --from-extension, which goes on with it'
	where not skytools.beside_extension() and exists (select from skytools.routine where file = 'pgq/functions/version.sql' and sum = '')
	union all
	select 'failed', '', 'a move to the extension pgq has stopped in the middle', 'pgqadm INI install --to-extension, which goes on with it'
	where skytools.beside_extension() and exists (select from skytools.migration where file = 'pgq/tables/001_queue.sql')
	union all
	select 'warning', '', 'a move to the extension pgq was begun: writers look up their table at each event',
		'pgqadm INI install --to-extension goes on with it, pgqadm INI install takes it back'
	where not skytools.beside_extension()
		and not exists (select from pg_trigger where tgrelid = 'pgq.queue'::regclass::oid and tgname = 'skytools_changed')`
