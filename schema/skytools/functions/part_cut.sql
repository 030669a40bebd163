create or replace function skytools.part_cut(
    i_batch_id bigint, i_from_ev_id bigint, i_done int, i_max_events int, i_max_bytes bigint)
returns int
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    size constant text := 'coalesce(octet_length(ev_type), 0)::bigint + coalesce(octet_length(ev_data), 0)'
        || ' + coalesce(octet_length(ev_extra1), 0) + coalesce(octet_length(ev_extra2), 0)'
        || ' + coalesce(octet_length(ev_extra3), 0) + coalesce(octet_length(ev_extra4), 0)';
    bounds record;
    id bigint;
    ev_size bigint;
    sql text;
    starts bigint[] := array[]::bigint[];
    n int := 0;
    bytes bigint := 0;
begin
    select * into bounds from skytools.batch_bounds(i_batch_id);
    sql := skytools.batch_union(bounds.tables, bounds.opening, bounds.closing, bounds.sub_id,
        concat_ws(' and ', 'ev_id >= ' || i_from_ev_id, skytools.coop_filter(i_batch_id)),
        format('ev_id, tableoid as tab, ctid as place, %s as size', size));
    -- Sorted once, ids and sizes only; a server sorts what is too much for its
    -- memory on disk.
    for id, ev_size in execute format('select ev_id, size from (%s) e order by 1', sql) loop
        if starts = '{}' or n = i_max_events or bytes + ev_size > i_max_bytes then
            starts := starts || id;
            n := 0;
            bytes := 0;
        end if;
        n := n + 1;
        bytes := bytes + ev_size;
    end loop;
    if starts = '{}' then
        insert into skytools.batch_part (batch_id, part_nr, part_events, part_bytes, part_places)
            values (i_batch_id, i_done + 1, 0, 0, '[]');
        return i_done + 1;
    end if;

    -- Events lie nearly in the order of their ids, as an event table only grows
    -- at its end. A part that knows its places is read without the others.
    execute format($sql$
        insert into skytools.batch_part (batch_id, part_nr, first_ev_id, last_ev_id, part_events, part_bytes, part_places)
            select $1, $2 + nr, min(first_id), max(last_id), sum(events), sum(bytes),
                jsonb_agg(jsonb_build_object('table', tab::regclass::oid, 'file', pg_relation_filenode(tab),
                    'first', first_place::text, 'last', last_place::text) order by tab)
            from (
                select width_bucket(ev_id, $3) as nr, tab, min(ev_id) as first_id, max(ev_id) as last_id,
                    count(*) as events, sum(size) as bytes, min(place) as first_place, max(place) as last_place
                from (%s) e group by 1, 2) t
            group by nr
        $sql$, sql) using i_batch_id, i_done, starts;
    return i_done + cardinality(starts);
end;
$$;

comment on function skytools.part_cut(bigint, bigint, int, int, bigint) is
'Cuts an open batch, from an ev_id on, into parts numbered after i_done, none with more events or bytes than said but for an event that alone is too large. Returns the last part''s number.';
