create or replace function skytools.barrier_keep(i_queue_name text, i_tick_id bigint, i_keep interval)
returns boolean
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp as
$$
begin
    if i_keep > interval '0' then
        update skytools.barrier set until = clock_timestamp() + least(i_keep, interval '1 hour')
            where queue_name = i_queue_name and tick_id = i_tick_id and until > clock_timestamp();
    else
        delete from skytools.barrier where queue_name = i_queue_name and tick_id = i_tick_id;
    end if;
    return found;
end;
$$;

comment on function skytools.barrier_keep(text, bigint, interval) is
'Lets a barrier end i_keep from now, at most an hour; at once if that is zero. False: there was none any more.';
