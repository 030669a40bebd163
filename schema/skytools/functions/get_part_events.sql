create or replace function skytools.get_part_events(
    i_batch_id bigint, i_part_nr int,
    out ev_id bigint, out ev_time timestamptz, out ev_txid bigint, out ev_retry int,
    out ev_type text, out ev_data text,
    out ev_extra1 text, out ev_extra2 text, out ev_extra3 text, out ev_extra4 text)
returns setof record
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    wanted bigint;
    events bigint;
begin
    return query execute skytools.part_query(i_batch_id, i_part_nr);
    get diagnostics events = row_count;
    select p.part_events into wanted from skytools.batch_part p where p.batch_id = i_batch_id and p.part_nr = i_part_nr;
    if events <> wanted then
        raise exception 'part % of batch % has % events, % were counted', i_part_nr, i_batch_id, events, wanted
            using errcode = 'data_corrupted',
                hint = 'events of an open batch were changed: read the batch whole, by pgq.get_batch_events';
    end if;
end;
$$;

comment on function skytools.get_part_events(bigint, int) is
'Events of one part of an open batch, by ev_id.';
