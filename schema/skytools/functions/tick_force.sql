create or replace function skytools.tick_force(i_queue_id int) returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    seq text := (select queue_tick_seq from pgq.queue where queue_id = i_queue_id);
    last bigint;
begin
    -- The mark is a tick sequence that has its next value ready, unused: the
    -- tick takes it, and with it the mark. setval is not transactional, so a
    -- ticker sees it before the caller commits, and it stays while the
    -- subtransaction is rolled back for the sake of the lock: a tick that is
    -- being made meanwhile would draw the same number, and the caller's
    -- transaction must not keep others from ticking.
    begin
        perform skytools.tick_lock(i_queue_id);
        last := (select max(tick_id) from pgq.tick where tick_queue = i_queue_id);
        execute format('select setval(%L, last_value + 1, false) from %s where is_called', seq, pgq.quote_fqname(seq));
        raise exception 'tick of queue % is forced', i_queue_id
            using errcode = 'SK021', hint = 'caught at once';
    exception when sqlstate 'SK021' then
        return last;
    end;
end;
$$;

comment on function skytools.tick_force(int) is
'Marks the queue: every ticker finds a tick due. Waits for one that is being made. Returns the last tick before the mark.';
