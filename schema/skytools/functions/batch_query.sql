create or replace function skytools.batch_query(
    i_data_pfx text, i_ntables int, i_opening txid_snapshot, i_closing txid_snapshot,
    i_sub_id int, i_extra_where text default null)
returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
    late text;
    wanted text;
    parts text[] := array[]::text[];
begin
    -- What the closing snapshot sees and the opening one does not lies in two
    -- places: among the transactions that were open in the opening snapshot
    -- and are done in the closing one, an exact list, and from the opening
    -- snapshot's xmax up. Both are found by the index on ev_txid, so a batch
    -- costs by its own size even while a transaction is held open for hours.
    select string_agg(id::text, ',' order by id) into late
        from txid_snapshot_xip(i_opening) id where txid_visible_in_snapshot(id, i_closing);
    wanted := format('(ev_owner is null or ev_owner = %s)', coalesce(i_sub_id::text, 'null'))
        || coalesce(' and (' || i_extra_where || ')', '');

    -- All tables: a writer with an old snapshot may have chosen a table that
    -- was not the current one any more.
    for i in 0 .. i_ntables - 1 loop
        parts := parts || format('select ev_id, ev_time, ev_txid, ev_retry, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4'
            || ' from %s_%s where ev_txid >= %s and ev_txid < %s and pg_catalog.txid_visible_in_snapshot(ev_txid, %L) and %s',
            i_data_pfx, i, txid_snapshot_xmax(i_opening), txid_snapshot_xmax(i_closing), i_closing, wanted);
        if late is not null then
            parts := parts || format('select ev_id, ev_time, ev_txid, ev_retry, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4'
                || ' from %s_%s where ev_txid = any (''{%s}''::bigint[]) and %s',
                i_data_pfx, i, late, wanted);
        end if;
    end loop;
    return array_to_string(parts, E'\nunion all\n') || E'\norder by 1';
end;
$$;

comment on function skytools.batch_query(text, int, txid_snapshot, txid_snapshot, int, text) is
'SQL that reads the events between two ticks, by ev_id, from all tables of a queue. The last argument is a condition in SQL, taken as it stands.';
