create or replace function skytools.event_places(i_batch_id bigint, i_ev_id bigint) returns tid[]
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    span record;
    tab text;
    low int;
    high int;
    middle int;
    first_id bigint;
    found_here tid[];
    places tid[] := array[]::tid[];
begin
    select q.queue_data_pfx, q.queue_ntables, b.seq_end - b.seq_start as events into span
        from pgq.get_batch_info(i_batch_id) b join pgq.queue q using (queue_name);
    -- The range of pages is a scan of its own from version 14 on.
    if coalesce(span.events, 0) < 2000 or current_setting('server_version_num')::int < 140000 then
        return null;
    end if;
    -- An event table only grows at its end, so ids lie nearly in order: the
    -- page is found by halving. What lies elsewhere is not found here.
    for i in 0 .. span.queue_ntables - 1 loop
        tab := span.queue_data_pfx || '_' || i;
        low := 0;
        high := pg_relation_size(tab::regclass) / current_setting('block_size')::int - 1;
        while low < high loop
            middle := (low + high + 1) / 2;
            execute format('select min(ev_id) from %s where ctid >= ''(%s,0)'' and ctid < ''(%s,0)'' and ev_owner is null',
                    tab, middle, middle + 1) into first_id;
            exit when first_id is null;
            if first_id <= i_ev_id then
                low := middle;
            else
                high := middle - 1;
            end if;
        end loop;
        execute format('select array_agg(ctid) from %s where ctid >= ''(%s,0)'' and ctid < ''(%s,0)'' and ev_id = $1',
                tab, greatest(low - 1, 0), low + 2) into found_here using i_ev_id;
        places := places || coalesce(found_here, array[]::tid[]);
    end loop;
    return places;
end;
$$;

comment on function skytools.event_places(bigint, bigint) is
'Where the event of that id seems to lie in the tables of a large batch''s queue, found without reading the batch; NULL for a small batch. The caller checks what it finds there, and reads the batch if that is not the event.';
