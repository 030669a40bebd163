create or replace function skytools.part_query(i_batch_id bigint, i_part_nr int, i_extra_where text default null)
returns text
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    part skytools.batch_part;
    bounds record;
    place jsonb;
    tab regclass;
    near text;
    filter text := skytools.coop_filter(i_batch_id);
    parts text[] := array[]::text[];
begin
    select * into part from skytools.batch_part p where p.batch_id = i_batch_id and p.part_nr = i_part_nr;
    select * into bounds from skytools.batch_bounds(i_batch_id);
    if part.batch_id is null or bounds.tables is null then
        raise exception 'part % of batch % not found', i_part_nr, i_batch_id
            using errcode = 'undefined_object',
                hint = 'it was finished, or its consumer was unregistered or moved';
    end if;
    for place in select * from jsonb_array_elements(part.part_places) loop
        tab := (place ->> 'table')::oid;
        -- Under the lock the table cannot be written anew, which would move
        -- its rows. One that was since the batch was cut is searched whole.
        execute format('lock table %s in access share mode', tab);
        near := concat_ws(' and ', format('ev_id between %s and %s', part.first_ev_id, part.last_ev_id),
            filter, i_extra_where);
        if pg_relation_filenode(tab) = (place ->> 'file')::oid then
            near := near || format(' and ctid >= %L and ctid <= %L', place ->> 'first', place ->> 'last');
        end if;
        parts := parts || skytools.batch_union(array[tab::text], bounds.opening, bounds.closing, bounds.sub_id, near,
            'ev_id, ev_time, ev_txid, ev_retry, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4');
    end loop;
    if parts = '{}' then
        return skytools.batch_query_of(i_batch_id, 'false');
    end if;
    return array_to_string(parts, E'\nunion all\n') || E'\norder by 1';
end;
$$;

comment on function skytools.part_query(bigint, int, text) is
'SQL that reads the events of one part of an open batch, by ev_id. The last argument is a condition in SQL, taken as it stands.';
