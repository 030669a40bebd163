create or replace function skytools.maint_backlog() returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    b record;
    over text;
    fresh boolean;
begin
    delete from skytools.backlog_warning w
        where not exists (select from pgq.subscription s join pgq.consumer c on c.co_id = s.sub_consumer
            where s.sub_queue = w.warn_queue and c.co_name = w.warn_consumer);
    for b in
        select q.queue_id, q.queue_name, l.*, p.backlog_warn_age, p.backlog_warn_bytes, p.backlog_max_age, p.backlog_max_bytes,
            p.backlog_workers or not skytools.is_worker(q.queue_name, l.consumer_name) as may_detach,
            skytools.is_cooperative(q.queue_id, l.sub_id) as cooperative
        from pgq.queue q
        join skytools.queue_policy p using (queue_id)
        cross join skytools.backlogs(q.queue_id) l
        order by q.queue_name, l.consumer_name
    loop
        over := skytools.backlog_over(b.age, b.bytes, b.backlog_max_age, b.backlog_max_bytes);
        if over is not null and b.may_detach
            and skytools.detach_consumer(b.queue_id, b.sub_id, b.backlog_max_age, b.backlog_max_bytes)
        then
            continue;
        end if;
        over := coalesce(over, skytools.backlog_over(b.age, b.bytes, b.backlog_warn_age, b.backlog_warn_bytes));
        if over is null then
            delete from skytools.backlog_warning where warn_queue = b.queue_id and warn_consumer = b.consumer_name;
            continue;
        end if;
        insert into skytools.backlog_warning as w (warn_queue, warn_consumer, backlog_age, backlog_bytes, reason)
            values (b.queue_id, b.consumer_name, b.age, b.bytes, over)
            on conflict (warn_queue, warn_consumer) do update
                set backlog_age = excluded.backlog_age, backlog_bytes = excluded.backlog_bytes, reason = excluded.reason
            returning since = now() into fresh;
        raise warning 'queue %: consumer % has a backlog of %, % bytes: %', b.queue_name, b.consumer_name,
                date_trunc('second', b.age), b.bytes, over
            using errcode = 'configuration_limit_exceeded', hint = 'see what keeps it, or change the limits by skytools.set_queue_policy'
                    || case when b.cooperative then '; a cooperative consumer is never detached, as one tick does not tell what its members have done'
                        else '' end;
        if fresh then
            perform skytools.backlog_notify(b.queue_name, b.consumer_name, 'warn', b.age, b.bytes);
        end if;
    end loop;
    return 0;
end;
$$;

comment on function skytools.maint_backlog() is
'Warns of consumers whose backlog is over their queue''s limits, and detaches those over its maximum: see skytools.set_queue_policy. Cooperative consumers are never detached, consumers of replication only where backlog_workers is on; else they are warned of. Returns 0.';
