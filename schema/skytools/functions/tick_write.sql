create or replace function skytools.tick_write(
    i_queue_id int,
    i_tick_id bigint default null,
    i_time timestamptz default null,
    i_event_seq bigint default null,
    i_snapshot txid_snapshot default null)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    q pgq.queue;
    older pgq.tick;
    snap txid_snapshot;
    seq bigint;
    id bigint;
begin
    -- Each of these is a statement of its own, so the snapshot is younger than
    -- the lock, and the sequence's value older than the snapshot.
    perform skytools.tick_lock(i_queue_id);
    select * into strict q from pgq.queue where queue_id = i_queue_id;
    if not has_sequence_privilege(q.queue_tick_seq, 'USAGE') and coalesce(i_tick_id, i_event_seq) is null then
        return skytools.tick_extension(i_queue_id, true);
    end if;
    select * into older from pgq.tick
        where tick_queue = i_queue_id order by tick_id desc limit 1;
    if found and current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'ticks need isolation level read committed, this transaction has %',
                current_setting('transaction_isolation')
            using errcode = 'active_sql_transaction',
                hint = 'an old snapshot would deliver events twice: set transaction isolation level read committed';
    end if;
    seq := coalesce(i_event_seq, pgq.seq_getval(q.queue_event_seq));
    snap := coalesce(i_snapshot, skytools.tick_snapshot());

    if txid_snapshot_xmax(snap) < txid_snapshot_xmax(older.tick_snapshot) then
        raise exception 'Invalid PgQ state: old xmin=%, old xmax=%, cur txid=%',
                txid_snapshot_xmin(older.tick_snapshot), txid_snapshot_xmax(older.tick_snapshot),
                txid_snapshot_xmax(snap)
            using errcode = 'data_corrupted',
                hint = 'transaction ids went back, as after a restore into a new cluster; events written now would never be read: stop the writers and raise the ids with pg_resetwal, or drop the queue and create it again';
    end if;
    if not skytools.snapshot_covers(snap, older.tick_snapshot) then
        raise exception 'snapshot % does not cover tick % of queue %', snap, older.tick_id, q.queue_name
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'tick in a transaction of its own';
    end if;
    if i_tick_id <= older.tick_id then
        raise exception 'tick % of queue % is not after tick %', i_tick_id, q.queue_name, older.tick_id
            using errcode = 'unique_violation',
                hint = 'ticks are copied in their order, each once';
    end if;

    -- A consumer may apply a tick only if no crash can take the tick back.
    if current_setting('synchronous_commit') in ('off', 'local') then
        perform set_config('synchronous_commit', 'on', true);
    end if;
    id := coalesce(i_tick_id, nextval(q.queue_tick_seq));
    insert into pgq.tick (tick_queue, tick_id, tick_time, tick_snapshot, tick_event_seq)
        values (i_queue_id, id, coalesce(i_time, clock_timestamp()), snap, seq);
    return id;
end;
$$;

comment on function skytools.tick_write(int, bigint, timestamptz, bigint, txid_snapshot) is
'Writes one tick of the queue under its tick lock and returns the tick''s id. It asks neither whether a tick is due nor whether the queue is paused. Every tick is written here; the arguments but the first and the last are for ticks that repeat another node''s, the last is for a snapshot that was taken under the lock (skytools.barrier_begin).';
