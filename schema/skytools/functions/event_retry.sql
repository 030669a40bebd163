create or replace function skytools.event_retry(
    i_batch_id bigint, i_event_ids bigint[], i_retry_after interval,
    out retried int, out dead int)
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    select r.retried, r.dead into retried, dead
        from skytools.retry_ids(i_batch_id, i_event_ids, now() + coalesce(i_retry_after, '0'), null) r;
end;
$$;

comment on function skytools.event_retry(bigint, bigint[], interval) is
'Has events of an open batch delivered to its consumer again, after some time, with one look at the batch. Those that had the queue''s max_attempts become dead letters. Returns how many there are of both; what was asked before counts for neither.';
