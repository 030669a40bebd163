-- No SET clause: it costs a tenth of the call, and the function has its
-- caller's rights. event_insert_any, which runs with the owner's, pins the path.
create or replace function pgq.insert_event_raw(
    queue_name text, ev_id bigint, ev_time timestamptz, ev_owner int, ev_retry int,
    ev_type text, ev_data text, ev_extra1 text, ev_extra2 text, ev_extra3 text, ev_extra4 text)
returns bigint
language plpgsql volatile
as $$
declare
    -- The transaction has its id before it looks which table is the current
    -- one: the table's largest ev_txid then tells who may still need it.
    txid bigint := txid_current();
    q record;
    id bigint;
begin
    select queue.queue_id, nextval(queue_event_seq::regclass) as id,
            queue_disable_insert as disabled, queue_per_tx_limit as per_tx,
            pgq.quote_fqname(queue_data_pfx || '_' || queue_cur_table) as cur_table
        into q from pgq.queue where queue.queue_name = $1;
    if not found then
        raise exception '%', case when $1 is null then 'Queue name must not be NULL' else 'No such queue' end
            using errcode = 'undefined_object', hint = 'pgq.create_queue(queue) makes it';
    end if;
    if q.disabled and current_setting('session_replication_role') <> 'replica' then
        raise exception 'Insert into queue disallowed'
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'this node is not the root of its set: write there';
    end if;
    if q.per_tx is not null then
        perform skytools.capture_count(q.queue_id, $1, q.per_tx, 1);
    end if;

    -- The sequence moved, also if the caller gives the id: that is how a
    -- ticker sees the event.
    id := coalesce(ev_id, q.id);
    execute 'insert into ' || q.cur_table
        || ' (ev_id, ev_time, ev_txid, ev_owner, ev_retry, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4)'
        || ' values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)'
        using id, coalesce(ev_time, now()), txid, ev_owner, ev_retry,
            ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4;
    return id;
end;
$$;

comment on function pgq.insert_event_raw(text, bigint, timestamptz, int, int, text, text, text, text, text, text) is
'Puts an event with all its fields into a queue; the id is given or the next of the sequence. Returns the id.';
