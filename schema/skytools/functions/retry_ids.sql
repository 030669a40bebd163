create or replace function skytools.retry_ids(
    i_batch_id bigint, i_event_ids bigint[], i_retry_after timestamptz, i_reason text,
    out retried int, out dead int)
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    -- In this form the ids are hashed; as a join, or as an array before
    -- version 14, each event would be compared with each id.
    ours text := format('(ev_id in (select pg_catalog.unnest(%L::pg_catalog.int8[]))) is true', i_event_ids);
    sql text := skytools.batch_query_of(i_batch_id, ours);
    part int;
    wanted int := (select count(distinct id) from unnest(i_event_ids) id);
    written record;
begin
    if sql is null then
        raise exception 'batch not found'
            using errcode = 'undefined_object',
                hint = 'it was finished, or its consumer was unregistered or moved';
    end if;
    select p.part_nr into part from skytools.batch_part p
        where p.batch_id = i_batch_id
            and (select min(id) >= p.first_ev_id and max(id) <= p.last_ev_id from unnest(i_event_ids) id)
        order by p.part_nr limit 1;
    if found then
        sql := skytools.part_query(i_batch_id, part, ours);
    end if;
    select * into written from skytools.retry_write(i_batch_id, sql, i_retry_after, i_reason);
    if written.events <> wanted then
        raise exception 'event not found: % of % are not in batch %', wanted - written.events, wanted, i_batch_id
            using errcode = 'undefined_object', hint = 'pgq.get_batch_events(batch) lists the events of an open batch';
    end if;
    retried := written.retried;
    dead := written.dead;
end;
$$;

comment on function skytools.retry_ids(bigint, bigint[], timestamptz, text) is
'Puts events of an open batch into the retry queue or among the dead letters, by their ids, with one look at the batch, or at one part of it.';
