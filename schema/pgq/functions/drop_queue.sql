create or replace function pgq.drop_queue(x_queue_name text, x_force boolean) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    q pgq.queue;
    consumer text;
begin
    select * into q from pgq.queue where queue_name = x_queue_name;
    if found then
        -- A ticker at work would write into tables that are about to go.
        perform skytools.tick_lock(q.queue_id);
        select * into q from pgq.queue where queue_name = x_queue_name for update;
    end if;
    if not found then
        raise exception 'No such event queue'
            using errcode = 'undefined_object', hint = 'pgq.get_queue_info() lists the queues';
    end if;

    for consumer in
        select distinct c.co_name from pgq.subscription s join pgq.consumer c on c.co_id = s.sub_consumer
        where s.sub_queue = q.queue_id
    loop
        if not coalesce(x_force, false) then
            raise exception 'cannot drop queue, consumers still attached'
                using errcode = 'dependent_objects_still_exist',
                    hint = 'unregister them, or call pgq.drop_queue(queue, true)';
        end if;
        perform pgq.unregister_consumer(x_queue_name, consumer);
    end loop;

    -- Whoever is writing is waited for before a lock is taken that stops the
    -- making of other queues, see queue_dispatch.
    execute 'lock table ' || pgq.quote_fqname(q.queue_data_pfx) || ' in access exclusive mode';
    perform skytools.queue_forget(q.queue_id);
    delete from pgq.retry_queue where ev_queue = q.queue_id;
    delete from pgq.tick where tick_queue = q.queue_id;
    delete from pgq.queue where queue_id = q.queue_id;
    for i in 0 .. q.queue_ntables - 1 loop
        execute 'drop table ' || pgq.quote_fqname(q.queue_data_pfx || '_' || i);
    end loop;
    execute 'drop table ' || pgq.quote_fqname(q.queue_data_pfx);
    execute format('drop sequence %s, %s',
        pgq.quote_fqname(q.queue_event_seq), pgq.quote_fqname(q.queue_tick_seq));
    return 1;
end;
$$;

comment on function pgq.drop_queue(text, boolean) is
'Drops a queue with its tables; with x_force also while consumers are registered. Returns 1.';

create or replace function pgq.drop_queue(x_queue_name text) returns int
language plpgsql volatile strict
set search_path = pg_catalog, pg_temp
as $$
begin
    return pgq.drop_queue(x_queue_name, false);
end;
$$;

comment on function pgq.drop_queue(text) is
'Drops a queue that has no consumers. Returns 1.';
