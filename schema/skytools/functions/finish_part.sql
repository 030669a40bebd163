create or replace function skytools.finish_part(i_batch_id bigint, i_part_nr int) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    next_nr int;
begin
    perform 1 from pgq.subscription where sub_batch = i_batch_id for update;
    if found then
        select min(part_nr) into next_nr from skytools.batch_part where batch_id = i_batch_id;
    end if;
    if i_part_nr > next_nr and i_part_nr <= (select part_count from skytools.batch_cut where batch_id = i_batch_id) then
        raise exception 'part % of batch % is not the next one, that is %', i_part_nr, i_batch_id, next_nr
            using errcode = 'object_not_in_prerequisite_state', hint = 'parts are finished in their order';
    end if;
    if (next_nr = i_part_nr) is not true then
        raise warning 'finish_part: part % of batch % not found', i_part_nr, i_batch_id
            using errcode = 'undefined_object',
                hint = 'it was finished before, or its consumer was unregistered or moved';
        return 0;
    end if;
    delete from skytools.batch_part where batch_id = i_batch_id and part_nr = i_part_nr;
    perform 1 from skytools.batch_part where batch_id = i_batch_id;
    if found then
        update pgq.subscription s set sub_active = now()
            where s.sub_batch = i_batch_id and not skytools.coop_left(s);
        return 1;
    end if;
    delete from skytools.batch_cut where batch_id = i_batch_id;
    return pgq.finish_batch(i_batch_id);
end;
$$;

comment on function skytools.finish_part(bigint, int) is
'Ends a part of an open batch; with the last part the batch is finished. Returns 1, or 0 with a warning for a part that is not open. pgq.finish_batch ends all parts at once.';
