create or replace function skytools.batch_query(
    i_data_pfx text, i_ntables int, i_opening txid_snapshot, i_closing txid_snapshot,
    i_sub_id int, i_extra_where text default null)
returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
    -- All tables: a writer with an old snapshot may have chosen a table that
    -- was not the current one any more.
    return skytools.batch_union((select array_agg(i_data_pfx || '_' || nr order by nr) from generate_series(0, i_ntables - 1) nr),
            i_opening, i_closing, i_sub_id, i_extra_where,
            'ev_id, ev_time, ev_txid, ev_retry, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4')
        || E'\norder by 1';
end;
$$;

comment on function skytools.batch_query(text, int, txid_snapshot, txid_snapshot, int, text) is
'SQL that reads the events between two ticks, by ev_id, from all tables of a queue. The last argument is a condition in SQL, taken as it stands.';
