create or replace function skytools.queue_table(i_queue_id int)
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
-- The planner puts this constant into the plans of capture functions, and the
-- server throws those plans away in all sessions when the function is replaced:
-- so a queue's state costs a writer nothing, and whoever begins a transaction
-- after a change knows of it. The caller holds the lock of the queue's row.
declare
    name text := format('queue_%s_table', i_queue_id);
    made bool := to_regprocedure(format('skytools.%s()', name)) is null;
    cur int;
begin
    select q.queue_cur_table into cur from pgq.queue q
     where q.queue_id = i_queue_id and not q.queue_disable_insert and q.queue_per_tx_limit is null
       and exists (select from skytools.capture c where c.queue_name = q.queue_name);
    execute format('create or replace function skytools.%I() returns int4 language sql immutable as %L',
                   name, format('select %s::pg_catalog.int4', coalesce(cur::text, 'null')));
    if made then
        execute format('revoke all on function skytools.%I() from public', name);
        execute format('comment on function skytools.%I() is %L', name,
                       'Event table that captures write to; NULL where they have to ask pgq.queue: closed, limited or gone.');
    end if;
end;
$$;
comment on function skytools.queue_table(int) is
    'Makes or replaces the function queue_N_table, which tells captures where queue N stands.';
