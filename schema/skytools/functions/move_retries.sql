create or replace function skytools.move_retries(i_limit int default 10000) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    closed int[] := skytools.closed_queues();
    queues int[];
    -- Nobody would read them now; they come when their consumer is attached.
    owners int[] := array(select d.sub_id from skytools.detached_consumer d);
begin
    select array_agg(distinct ev_queue) into queues from (
        select ev_queue from pgq.retry_queue
        where ev_retry_after <= now() and ev_queue <> all (closed) and ev_owner <> all (owners)
        order by ev_retry_after, ev_id limit i_limit) due;
    -- Two at once would mix up the order. Who comes second leaves it to the
    -- first; nobody waits, and a row that is locked waits for the next call.
    if queues is null or not pg_try_advisory_xact_lock(1399552081, 0) then
        return 0;
    end if;
    return skytools.requeue(format($sql$
        delete from pgq.retry_queue r using (
            select ev_owner, ev_id from pgq.retry_queue
            where ev_retry_after <= now() and ev_queue = any (%L) and ev_owner <> all (%L)
            order by ev_retry_after, ev_id limit %s for update skip locked) d
        where r.ev_owner = d.ev_owner and r.ev_id = d.ev_id
        returning r.*, r.ev_retry_after as due_at, r.ev_id as due_nr
        $sql$, queues, owners, i_limit), queues);
end;
$$;

comment on function skytools.move_retries(int) is
'Puts up to i_limit due retry events back into their queues, by one statement, those first that are due longest. Events of a queue that takes none wait. Returns how many it moved.';
