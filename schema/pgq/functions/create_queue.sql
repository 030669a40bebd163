create or replace function pgq.create_queue(i_queue_name text) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    q pgq.queue;
    nr int;
    pfx text;
begin
    if i_queue_name is null then
        raise exception 'Invalid NULL value'
            using errcode = 'null_value_not_allowed', hint = 'give the queue''s name';
    end if;
    perform 1 from pgq.queue where queue_name = i_queue_name;
    if found then
        return 0;
    end if;
    nr := nextval('pgq.queue_queue_id_seq');
    pfx := 'pgq.event_' || nr;
    -- Two sessions that make the same queue at once meet at its unique key.
    insert into pgq.queue (queue_id, queue_name, queue_data_pfx, queue_event_seq, queue_tick_seq)
        values (nr, i_queue_name, pfx, pfx || '_id_seq', pfx || '_tick_seq')
        on conflict (queue_name) do nothing
        returning * into q;
    if not found then
        return 0;
    end if;

    -- Cached numbers would be given out in another order than events are
    -- written. The event sequence stands at 0, used, so that its last value
    -- moves with the first event too.
    execute format('create sequence pgq.event_%s_tick_seq cache 1', nr);
    execute format('create sequence pgq.event_%s_id_seq minvalue 0 cache 1', nr);
    perform setval(q.queue_event_seq::regclass, 0);
    execute format('create table pgq.event_%s () inherits (pgq.event_template)', nr);
    for i in 0 .. q.queue_ntables - 1 loop
        execute format('create table pgq.event_%1$s_%2$s () inherits (pgq.event_%1$s)', nr, i);
        execute format('alter table pgq.event_%1$s_%2$s alter column ev_id set default nextval(''pgq.event_%1$s_id_seq'')', nr, i);
        execute format('create index event_%1$s_%2$s_txid_idx on pgq.event_%1$s_%2$s (ev_txid)', nr, i);
    end loop;
    perform pgq.grant_perms(i_queue_name);
    perform pgq.tune_storage(i_queue_name);
    perform skytools.tick_write(nr);
    return 1;
end;
$$;

comment on function pgq.create_queue(text) is
'Makes a queue with its event tables, sequences and first tick. Returns 1, or 0 if it is there.';
