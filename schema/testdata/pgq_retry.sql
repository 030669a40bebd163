-- Events that a consumer wants again.
select pgq.create_queue('q');
select pgq.register_consumer('q', 'c');
select pgq.register_consumer('q', 'd');
select pgq.insert_event('q', 't' || n, 'd' || n) from generate_series(1, 3) n;
select pgq.force_tick('q');
select pgq.ticker('q');
select pgq.next_batch('q', 'c');
select pgq.event_retry(1, 1, 0);
select pgq.event_retry(1, 1, 0);
select pgq.event_retry(1, 2, now() + interval '1 hour');
select pgq.event_retry(1, 999, 0);
select pgq.event_retry(99, 1, 0);
select ev_queue, ev_id, ev_retry, ev_txid, ev_type, ev_data, ev_retry_after <= now() as due from pgq.retry_queue order by ev_id;
select pgq.batch_retry(1, 0);
select pgq.batch_retry(1, 0);
select pgq.batch_retry(99, 0);
select pgq.finish_batch(1);
select pgq.maint_retry_events();
select pgq.maint_retry_events();
select pgq.force_tick('q');
select pgq.ticker('q');
select pgq.next_batch('q', 'c');
select ev_id, ev_retry, ev_type, ev_data from pgq.get_batch_events(2);
select pgq.event_retry(2, 1, 0);
select ev_id, ev_retry from pgq.retry_queue order by ev_id;
-- The other consumer sees each event once.
select pgq.next_batch('q', 'd');
select ev_id, ev_retry from pgq.get_batch_events(3);
select pgq.finish_batch(3);
select pgq.next_batch('q', 'd');
select ev_id, ev_retry from pgq.get_batch_events(4);
select pgq.event_retry_raw('q', 'c', now() + interval '1 hour', 500, now(), 7, 't', 'd', 'a', 'b', 'c', 'd');
select pgq.event_retry_raw('q', 'c', now(), 500, now(), 7, 't', 'd', null, null, null, null);
select pgq.event_retry_raw('q', 'c', now() + interval '1 hour', null, now(), 7, 't', 'd', null, null, null, null) is not null;
select pgq.event_retry_raw('q', 'nobody', now(), 501, now(), 7, 't', 'd', null, null, null, null);
select pgq.event_retry_raw('nowhere', 'c', now(), 501, now(), 7, 't', 'd', null, null, null, null);
-- As many calls as it takes.
insert into pgq.retry_queue (ev_retry_after, ev_queue, ev_id, ev_time, ev_owner) select now(), 1, 1000 + n, now(), 1 from generate_series(1, 24) n;
do $$
declare
    n int;
    moved int := 0;
begin
    loop
        n := pgq.maint_retry_events();
        exit when n = 0;
        moved := moved + n;
    end loop;
    raise notice 'moved %', moved;
end $$;
select pgq.unregister_consumer('q', 'c');
select count(*) from pgq.retry_queue;
