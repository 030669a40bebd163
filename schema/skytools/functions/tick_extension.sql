create or replace function skytools.tick_extension(i_queue_id int, i_now boolean) returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    q pgq.queue;
    older pgq.tick;
    made bigint;
    news bigint;
begin
    -- The tick itself is the extension's, which takes no lock of ours: the lock
    -- is taken in a statement before, so its snapshot is younger.
    perform skytools.tick_lock(i_queue_id);
    select * into strict q from pgq.queue where queue_id = i_queue_id;
    if current_setting('transaction_isolation') <> 'read committed' or txid_current_if_assigned() is not null then
        raise exception 'a tick of queue % is not made in this transaction', q.queue_name
            using errcode = 'active_sql_transaction',
                hint = 'an old snapshot, or own events, would be delivered twice or never: tick in a transaction of its own, at isolation level read committed';
    end if;
    select * into older from pgq.tick where tick_queue = i_queue_id order by tick_id desc limit 1;
    if found and i_now then
        -- Numbers drawn look like events. One is enough once max_lag is over.
        news := nextval(q.queue_event_seq::regclass) - older.tick_event_seq;
        if now() - older.tick_time < q.queue_ticker_max_lag then
            perform nextval(q.queue_event_seq::regclass) from generate_series(news + 1, q.queue_ticker_max_count);
        end if;
    end if;
    -- A consumer may apply a tick only if no crash can take the tick back.
    if current_setting('synchronous_commit') in ('off', 'local') then
        perform set_config('synchronous_commit', 'on', true);
    end if;
    made := pgq.ticker(q.queue_name);
    if not skytools.snapshot_covers((select t.tick_snapshot from pgq.tick t
            where t.tick_queue = i_queue_id and t.tick_id = made), older.tick_snapshot)
    then
        raise exception 'tick % of queue % does not cover tick %', made, q.queue_name, older.tick_id
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'another ticker ticks this queue at the same moment: stop it';
    end if;
    return made;
end;
$$;

comment on function skytools.tick_extension(int, boolean) is
'Lets the real extension make a tick of the queue, under its tick lock, where this role may not draw numbers of the tick sequence. The extension decides by max_count and max_lag whether a tick is due; i_now makes it due by drawing event numbers. Returns the tick, or NULL.';
