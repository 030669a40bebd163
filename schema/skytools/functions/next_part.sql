create or replace function skytools.next_part(
    i_queue_name text, i_consumer_name text, i_max_events int, i_max_bytes bigint,
    out batch_id bigint, out part_nr int, out part_count int,
    out first_ev_id bigint, out last_ev_id bigint, out part_events int, out part_bytes bigint,
    out cur_tick_id bigint, out prev_tick_id bigint)
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
#variable_conflict use_column
declare
    batch record;
    cut skytools.batch_cut;
    rest bigint;
begin
    if i_max_events <= 0 or i_max_bytes <= 0 then
        raise exception 'a part has at most % events and % bytes', i_max_events, i_max_bytes
            using errcode = 'invalid_parameter_value', hint = 'give numbers above 0, or null for no limit';
    end if;
    -- It locks the consumer, so the parts are cut by one session.
    select * into batch from pgq.next_batch_custom(i_queue_name, i_consumer_name, null, null, null);
    if batch.batch_id is null then
        return;
    end if;
    select * into cut from skytools.batch_cut c where c.batch_id = batch.batch_id;
    if cut.batch_id is null then
        insert into skytools.batch_cut (batch_id, part_count, max_events, max_bytes)
            values (batch.batch_id, skytools.part_cut(batch.batch_id, 0, 0, i_max_events, i_max_bytes), i_max_events, i_max_bytes);
    elsif (cut.max_events, cut.max_bytes) is distinct from (i_max_events, i_max_bytes) then
        -- What is left is cut anew, under new numbers: who still works on an
        -- old part cannot finish a new one by mistake.
        select min(p.first_ev_id) into rest from skytools.batch_part p where p.batch_id = batch.batch_id;
        delete from skytools.batch_part p where p.batch_id = batch.batch_id;
        update skytools.batch_cut c
            set part_count = skytools.part_cut(batch.batch_id, coalesce(rest, 0), cut.part_count, i_max_events, i_max_bytes),
                max_events = i_max_events, max_bytes = i_max_bytes
            where c.batch_id = batch.batch_id;
    end if;
    select p.batch_id, p.part_nr, c.part_count, p.first_ev_id, p.last_ev_id, p.part_events, p.part_bytes
        into batch_id, part_nr, part_count, first_ev_id, last_ev_id, part_events, part_bytes
        from skytools.batch_part p join skytools.batch_cut c using (batch_id)
        where p.batch_id = batch.batch_id order by p.part_nr limit 1;
    cur_tick_id := batch.cur_tick_id;
    prev_tick_id := batch.prev_tick_id;
end;
$$;

comment on function skytools.next_part(text, text, int, bigint) is
'Opens the consumer''s next batch, if none is open, and returns the first part of it that is not finished, of at most so many events and bytes (NULL: no limit); a single event that is larger is a part of its own. Called again, also after a crash, it returns the same part until skytools.finish_part. All NULL: there is no batch yet. A consumer that stores cur_tick_id and last_ev_id with its work does each event once: at an equal cur_tick_id it passes over events up to that ev_id.';
