create or replace function skytools.maint_purge() returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    keys int;
begin
    delete from skytools.dead_event d using skytools.queue_policy p
        where p.queue_id = d.dead_queue and d.dead_time < now() - p.dead_keep;
    -- A caller who finds its key expired may be renewing it: such a row is
    -- locked, and stays.
    delete from skytools.once_key k using (
            select key_queue, key_text from skytools.once_key
            where expires_at <= now()
            order by expires_at limit 10000 for update skip locked) e
        where k.key_queue = e.key_queue and k.key_text = e.key_text;
    get diagnostics keys = row_count;
    -- Of batches that were finished whole, or dropped. A detached consumer's may
    -- be opened again.
    delete from skytools.batch_part p
        where not exists (select from pgq.subscription s where s.sub_batch = p.batch_id)
            and not exists (select from skytools.detached_consumer d where d.batch_id = p.batch_id);
    delete from skytools.batch_cut c
        where not exists (select from pgq.subscription s where s.sub_batch = c.batch_id)
            and not exists (select from skytools.detached_consumer d where d.batch_id = c.batch_id);
    delete from skytools.barrier where until < clock_timestamp();
    -- Written while their queue was dropped.
    delete from skytools.dead_event where dead_queue <> all (select queue_id from pgq.queue);
    delete from skytools.delayed_event where ev_queue <> all (select queue_id from pgq.queue);
    return case when keys = 10000 then 1 else 0 end;
end;
$$;

comment on function skytools.maint_purge() is
'Deletes dead letters older than their queue''s dead_keep, expired keys, and what finished batches, consumers that were moved, dropped queues and comparisons left behind. Returns 1 if there may be more.';
