create or replace function skytools.queue_changed()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    id int := case tg_op when 'DELETE' then old.queue_id else new.queue_id end;
begin
    if tg_op = 'UPDATE' and (old.queue_name, old.queue_cur_table, old.queue_disable_insert, old.queue_per_tx_limit)
            is not distinct from (new.queue_name, new.queue_cur_table, new.queue_disable_insert, new.queue_per_tx_limit) then
        return null;
    end if;
    if to_regprocedure(format('skytools.queue_%s_table()', id)) is not null then
        perform skytools.queue_table(id);
    end if;
    if tg_op = 'DELETE' then
        perform skytools.queue_table_clear();
    end if;
    return null;
end;
$$;
comment on function skytools.queue_changed() is
    'Trigger of pgq.queue: tells captures of a rotation, and of a queue that was closed, limited, renamed or dropped.';

-- Only where it is missing: to make it anew would wait for all who write.
do $$
begin
    if not exists (select from pg_trigger where tgrelid = 'pgq.queue'::regclass and tgname = 'skytools_changed') then
        create trigger skytools_changed after insert or delete or update on pgq.queue
            for each row execute function skytools.queue_changed();
        alter table pgq.queue enable always trigger skytools_changed;
    end if;
end
$$;
