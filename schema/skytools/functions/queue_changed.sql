create or replace function skytools.queue_changed()
returns trigger
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    id int := case tg_op when 'DELETE' then old.queue_id else new.queue_id end;
begin
    if tg_op = 'DELETE' then
        perform skytools.queue_table(id);
        perform skytools.queue_table_clear();
        execute format('drop function if exists skytools.%I(text, text, text, text, text, text, text)', format('queue_%s_insert', id));
        perform skytools.queue_dispatch();
    elsif (old.queue_name, old.queue_ntables, old.queue_data_pfx) is distinct from
            (new.queue_name, new.queue_ntables, new.queue_data_pfx) then -- a new queue, too
        perform skytools.queue_table(id);
        perform skytools.queue_insert(id);
        perform skytools.queue_dispatch();
    elsif (old.queue_cur_table, old.queue_disable_insert, old.queue_per_tx_limit) is distinct from
            (new.queue_cur_table, new.queue_disable_insert, new.queue_per_tx_limit) then
        perform skytools.queue_table(id);
    end if;
    return null;
end;
$$;
comment on function skytools.queue_changed() is
    'Trigger of pgq.queue: tells writers of a rotation, and of a queue that was made, closed, limited, renamed or dropped.';

-- Only where it is missing: to make it anew would wait for all who write. An
-- extension's tables get no trigger of ours, see queue_table.
do $$
begin
    if not skytools.beside_extension() and not exists (select from pg_trigger where tgrelid = 'pgq.queue'::regclass and tgname = 'skytools_changed') then
        create trigger skytools_changed after insert or delete or update on pgq.queue
            for each row execute function skytools.queue_changed();
        alter table pgq.queue enable always trigger skytools_changed;
    end if;
end
$$;
