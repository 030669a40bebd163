create or replace function skytools.coop_batch_id(i_queue_id int, i_opening_tick bigint) returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    queue text;
    nobody text := format('skytools coop %s', pg_backend_pid());
    batch bigint;
begin
    if has_sequence_privilege('pgq.batch_id_seq', 'USAGE') then
        return nextval('pgq.batch_id_seq');
    end if;
    -- The extension's sequence is its owner's alone. A consumer that nobody
    -- else gets to see draws the number.
    select queue_name into queue from pgq.queue where queue_id = i_queue_id;
    perform pgq.register_consumer_at(queue, nobody, i_opening_tick);
    batch := pgq.next_batch(queue, nobody);
    perform pgq.unregister_consumer(queue, nobody);
    return batch;
end;
$$;

comment on function skytools.coop_batch_id(int, bigint) is
'A new number for a batch that begins at a tick which is not the queue''s last one.';
