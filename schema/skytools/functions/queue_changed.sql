create or replace function skytools.queue_changed()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    if tg_op = 'UPDATE' and (old.queue_cur_table, old.queue_disable_insert, old.queue_per_tx_limit)
            is not distinct from (new.queue_cur_table, new.queue_disable_insert, new.queue_per_tx_limit) then
        return null;
    end if;
    if to_regprocedure(format('skytools.queue_%s_table()', old.queue_id)) is not null then
        perform skytools.queue_table(old.queue_id);
    end if;
    return null;
end;
$$;
comment on function skytools.queue_changed() is
    'Trigger of pgq.queue: tells captures of a rotation, and of a queue that was closed, limited or dropped.';

drop trigger if exists skytools_changed on pgq.queue;
create trigger skytools_changed after delete or update on pgq.queue
    for each row execute function skytools.queue_changed();
