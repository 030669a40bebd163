create or replace function pgq.insert_event_raw(
    queue_name text, ev_id bigint, ev_time timestamptz, ev_owner int, ev_retry int,
    ev_type text, ev_data text, ev_extra1 text, ev_extra2 text, ev_extra3 text, ev_extra4 text)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    -- The transaction has its id before it looks which table is the current
    -- one: the table's largest ev_txid then tells who may still need it.
    txid bigint := txid_current();
    q pgq.queue;
    id bigint;
begin
    if queue_name is null then
        raise exception 'Queue name must not be NULL'
            using errcode = 'null_value_not_allowed', hint = 'give the queue''s name';
    end if;
    select * into q from pgq.queue where queue.queue_name = $1;
    if not found then
        raise exception 'No such queue'
            using errcode = 'undefined_object', hint = 'pgq.create_queue(queue) makes it';
    end if;
    if q.queue_disable_insert and current_setting('session_replication_role') <> 'replica' then
        raise exception 'Insert into queue disallowed'
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'this node is not the root of its set: write there';
    end if;
    if q.queue_per_tx_limit is not null then
        perform skytools.count_tx_event(q.queue_id, q.queue_name, q.queue_per_tx_limit);
    end if;

    -- The sequence moves for each event, also if the caller gives the id: that
    -- is how a ticker sees it.
    id := nextval(q.queue_event_seq::regclass);
    id := coalesce(ev_id, id);
    execute 'insert into ' || q.queue_data_pfx || '_' || q.queue_cur_table
        || ' (ev_id, ev_time, ev_txid, ev_owner, ev_retry, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4)'
        || ' values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)'
        using id, coalesce(ev_time, now()), txid, ev_owner, ev_retry,
            ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4;
    return id;
end;
$$;

comment on function pgq.insert_event_raw(text, bigint, timestamptz, int, int, text, text, text, text, text, text) is
'Puts an event with all its fields into a queue; the id is given or the next of the sequence. Returns the id.';
