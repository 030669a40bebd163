create or replace function skytools.tick_write(i_queue_id int) returns bigint
language plpgsql volatile
set search_path = pg_catalog, pgq, pg_temp as
$$
declare
    q record;
    last record;
    new_id bigint;
    new_seq bigint;
    new_snapshot txid_snapshot;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'a tick cannot be made in a % transaction', current_setting('transaction_isolation')
            using errcode = 'active_sql_transaction',
                hint = 'its snapshot would be the transaction''s first one: use read committed';
    end if;
    perform skytools.tick_lock(i_queue_id);
    select queue_event_seq, queue_tick_seq into strict q from pgq.queue where queue_id = i_queue_id;

    -- The sequence before the snapshot, each in a statement of its own: an
    -- event between the two is seen by the snapshot and counted by the next
    -- tick, so it is never taken for ticked when it is not.
    new_seq := pgq.seq_getval(q.queue_event_seq);
    new_snapshot := txid_current_snapshot();

    select tick_id, tick_snapshot into last from pgq.tick
        where tick_queue = i_queue_id order by tick_id desc limit 1;
    if found and (txid_snapshot_xmin(new_snapshot) < txid_snapshot_xmin(last.tick_snapshot)
        or txid_snapshot_xmax(new_snapshot) < txid_snapshot_xmax(last.tick_snapshot))
    then
        raise exception 'Invalid PgQ state: old xmin=%, old xmax=%, cur txid=%',
            txid_snapshot_xmin(last.tick_snapshot), txid_snapshot_xmax(last.tick_snapshot), txid_current()
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'transaction ids went back: was this database restored into a new cluster?';
    end if;

    -- A consumer may apply the tick at once; a crash must not take it back.
    if current_setting('synchronous_commit') in ('off', 'local') then
        perform set_config('synchronous_commit', 'on', true);
    end if;
    new_id := nextval(q.queue_tick_seq::regclass);
    insert into pgq.tick (tick_queue, tick_id, tick_time, tick_snapshot, tick_event_seq)
        values (i_queue_id, new_id, clock_timestamp(), new_snapshot, new_seq);
    return new_id;
end;
$$;

comment on function skytools.tick_write(int) is
'Makes a tick under the queue''s tick lock and returns its number. Whether one is due, and whether the queue may be ticked at all, is the caller''s to decide.';
