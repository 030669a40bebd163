create or replace function skytools.queue_open(
    i_queue_name text, out queue_id int, out event_seq regclass, out cur_table text)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    q pgq.queue;
begin
    perform txid_current(); -- before the table is chosen, as in pgq.insert_event_raw
    select * into q from pgq.queue where queue_name = i_queue_name;
    if not found then
        raise exception '%', case when i_queue_name is null then 'Queue name must not be NULL' else 'No such queue' end
            using errcode = 'undefined_object', hint = 'pgq.create_queue(queue) makes it';
    end if;
    if q.queue_disable_insert and current_setting('session_replication_role') <> 'replica' then
        raise exception 'Insert into queue disallowed'
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'this node is not the root of its set: write there';
    end if;
    if q.queue_per_tx_limit is not null then
        perform skytools.capture_count(q.queue_id, i_queue_name, q.queue_per_tx_limit, 1);
    end if;
    queue_id := q.queue_id;
    event_seq := q.queue_event_seq::regclass;
    cur_table := pgq.quote_fqname(q.queue_data_pfx || '_' || q.queue_cur_table);
end;
$$;

comment on function skytools.queue_open(text) is
'Where the next event of a queue goes, and where its number comes from; an error if the queue takes none. Counts it for queue_per_tx_limit.';
