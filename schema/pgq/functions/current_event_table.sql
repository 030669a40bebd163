create or replace function pgq.current_event_table(x_queue_name text) returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    q pgq.queue;
begin
    perform txid_current(); -- before the table is chosen, as in insert_event_raw
    select * into q from pgq.queue where queue_name = x_queue_name;
    if not found then
        raise exception 'Event queue not found'
            using errcode = 'undefined_object', hint = 'pgq.create_queue(queue) makes it';
    end if;
    if q.queue_disable_insert and current_setting('session_replication_role') <> 'replica' then
        raise exception 'Writing to queue disabled'
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'this node is not the root of its set: write there';
    end if;
    return q.queue_data_pfx || '_' || q.queue_cur_table;
end;
$$;

comment on function pgq.current_event_table(text) is
'Name of the event table to COPY or INSERT into. Valid in this transaction only.';
