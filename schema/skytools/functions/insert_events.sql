create or replace function skytools.insert_events(
    i_queue_name text, i_types text[], i_data text[],
    i_extra1 text[] default null, i_extra2 text[] default null,
    i_extra3 text[] default null, i_extra4 text[] default null)
returns bigint[]
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    -- Before it is looked which table is the current one, as in insert_event_raw.
    txid bigint := txid_current();
    events int := coalesce(cardinality(i_types), 0);
    q record;
    ids bigint[];
begin
    select queue.queue_id, queue_event_seq, queue_disable_insert as disabled, queue_per_tx_limit as per_tx,
            pgq.quote_fqname(queue_data_pfx || '_' || queue_cur_table) as cur_table
        into q from pgq.queue where queue.queue_name = i_queue_name;
    if not found then
        raise exception '%', case when i_queue_name is null then 'Queue name must not be NULL' else 'No such queue' end
            using errcode = 'undefined_object', hint = 'pgq.create_queue(queue) makes it';
    end if;
    if q.disabled and current_setting('session_replication_role') <> 'replica' then
        raise exception 'Insert into queue disallowed'
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'this node is not the root of its set: write there';
    end if;
    -- A short array would end in events that nobody meant.
    if events <> any (array_remove(array[cardinality(i_data), cardinality(i_extra1), cardinality(i_extra2),
            cardinality(i_extra3), cardinality(i_extra4)], null)) then
        raise exception 'arrays of events differ in length'
            using errcode = 'array_subscript_error', hint = 'each array has an element for every event, or is NULL';
    end if;
    if q.per_tx is not null then
        perform skytools.capture_count(q.queue_id, i_queue_name, q.per_tx, events);
    end if;

    -- One statement: its rows get their ids in the arrays' order.
    execute 'with new as (insert into ' || q.cur_table
        || ' (ev_id, ev_time, ev_txid, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4)'
        || ' select nextval($1), now(), $2, * from unnest($3, $4, $5, $6, $7, $8) returning ev_id)'
        || ' select coalesce(array_agg(ev_id order by ev_id), ''{}'') from new'
        into ids
        using q.queue_event_seq::regclass, txid, i_types, i_data, i_extra1, i_extra2, i_extra3, i_extra4;
    return ids;
end;
$$;

comment on function skytools.insert_events(text, text[], text[], text[], text[], text[], text[]) is
'Puts many events into a queue by one statement, an array for each field; any but the types'' may be NULL. Returns their ids in the arrays'' order.';
