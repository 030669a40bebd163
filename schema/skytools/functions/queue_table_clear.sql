create or replace function skytools.queue_table_clear()
returns void
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
-- Captures of a queue that was dropped still ask: they say that it is gone.
-- While the queue is there the function stays, for another session may be
-- making a capture that asks it.
declare
    name text;
begin
    for name in
        select p.proname from pg_proc p
         where p.pronamespace = 'skytools'::regnamespace and p.proname ~ '^queue_\d+_table$'
           and not exists (select from pgq.queue q where p.proname = format('queue_%s_table', q.queue_id))
           and not exists (select from pg_proc f
                            where f.pronamespace = 'skytools'::regnamespace and f.proname ~ '^capture_\d+_[a-z]+$'
                              and position(format('skytools.%s()', p.proname) in f.prosrc) > 0)
    loop
        execute format('drop function skytools.%I()', name);
    end loop;
end;
$$;
comment on function skytools.queue_table_clear() is 'Drops functions queue_N_table of dropped queues that no capture asks any more.';
