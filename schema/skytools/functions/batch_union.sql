create or replace function skytools.batch_union(
    i_tables text[], i_opening txid_snapshot, i_closing txid_snapshot,
    i_sub_id int, i_extra_where text, i_columns text)
returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
    late text;
    wanted text;
    tab text;
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
    foreach tab in array i_tables loop
        parts := parts || format('select %s from %s where ev_txid >= %s and ev_txid < %s'
            || ' and pg_catalog.txid_visible_in_snapshot(ev_txid, %L) and %s',
            i_columns, tab, txid_snapshot_xmax(i_opening), txid_snapshot_xmax(i_closing), i_closing, wanted);
        if late is not null then
            parts := parts || format('select %s from %s where ev_txid = any (''{%s}''::bigint[]) and %s',
                i_columns, tab, late, wanted);
        end if;
    end loop;
    return array_to_string(parts, E'\nunion all\n');
end;
$$;

comment on function skytools.batch_union(text[], txid_snapshot, txid_snapshot, int, text, text) is
'SQL that reads columns of the events between two ticks from some tables of a queue, in no order. The condition is SQL, taken as it stands.';
