create or replace function skytools.requeue(i_due text, i_queues int[]) returns int
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    q pgq.queue;
    parts text[] := array[format('due as (%s)', i_due)];
    counts text[] := array[]::text[];
    events int;
begin
    perform txid_current(); -- before the tables are chosen, as in pgq.insert_event_raw
    for q in select * from pgq.queue where queue_id = any (i_queues) order by queue_id loop
        -- The sequence moves with each event, also if the event keeps the id
        -- that it had: that is how a ticker sees it.
        parts := parts || format('q%s as (insert into %s (ev_id, ev_time, ev_txid, ev_owner, ev_retry, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4)'
            || ' select coalesce(ev_id, next_id), ev_time, txid_current(), ev_owner, ev_retry, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4'
            || ' from (select d.*, nextval(%L::regclass) as next_id'
            || ' from (select * from due where ev_queue = %1$s order by due_at, due_nr) d) n returning 1)',
            q.queue_id, pgq.quote_fqname(q.queue_data_pfx || '_' || q.queue_cur_table), q.queue_event_seq);
        counts := counts || format('(select count(*) from q%s)', q.queue_id);
    end loop;
    if counts = '{}' then
        return 0;
    end if;
    execute 'with ' || array_to_string(parts, ', ') || ' select ' || array_to_string(counts, ' + ') into events;
    return events;
end;
$$;

comment on function skytools.requeue(text, int[]) is
'Puts the rows of a statement, events that it takes from where they wait, into the current event tables of the queues given, in the order of due_at and due_nr. Returns how many.';
