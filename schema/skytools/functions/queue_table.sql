create or replace function skytools.queue_table(i_queue_id int)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
-- The planner puts this constant into the plans of whatever writes events, and the
-- server throws those plans away in all sessions when the function is replaced:
-- so a queue's state costs a writer nothing, and whoever begins a transaction
-- after a change knows of it. The caller holds the lock of the queue's row.
-- Beside the real extension nobody tells when the queue changes: captures ask.
declare
    name text := format('queue_%s_table', i_queue_id);
    made bool := to_regprocedure(format('skytools.%s()', name)) is null;
    cur int;
begin
    select q.queue_cur_table into cur from pgq.queue q
     where q.queue_id = i_queue_id and not skytools.beside_extension()
       and not q.queue_disable_insert and q.queue_per_tx_limit is null
       -- Without it nobody would tell of the next rotation: a move to the
       -- extension is under way.
       and exists (select from pg_trigger where tgrelid = 'pgq.queue'::regclass and tgname = 'skytools_changed')
       -- A queue that was renamed under its captures is none of theirs.
       and not exists (select from skytools.capture c
                         join pg_proc f on f.pronamespace = 'skytools'::regnamespace
                                       and f.proname ~ format('^capture_%s_', c.capture_id)
                        where not exists (select from pgq.queue o where o.queue_name = c.queue_name)
                          and position(format('skytools.%s()', name) in f.prosrc) > 0);
    execute format('create or replace function skytools.%I() returns int4 language sql immutable as %L',
                   name, format('select %s::pg_catalog.int4', coalesce(cur::text, 'null')));
    if made then
        execute format('revoke all on function skytools.%I() from public', name);
        execute format('comment on function skytools.%I() is %L', name,
                       'Event table that is written to; NULL where pgq.queue has to be asked: closed, limited or gone.');
    end if;
end;
$$;
comment on function skytools.queue_table(int) is
    'Makes or replaces the function queue_N_table, which tells writers where queue N stands.';
