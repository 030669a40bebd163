-- Cooperative consumers: members share the batches of one consumer.
select pgq_coop.version();
select pgq.create_queue('q');
select pgq_coop.register_subconsumer('nowhere', 'c', 'm1');
select pgq_coop.register_subconsumer(null, 'c', 'm1');
select pgq_coop.register_subconsumer('q', null, 'm1');
select pgq_coop.register_subconsumer('q', 'c', null);
select pgq_coop.register_subconsumer('q', 'c', 'm1');
select pgq_coop.register_subconsumer('q', 'c', 'm1');
select pgq.register_consumer('q', 'd.m1');
select pgq_coop.register_subconsumer('q', 'd', 'm1');
select c.co_name, s.sub_id, s.sub_last_tick, s.sub_batch, s.sub_next_tick from pgq.subscription s join pgq.consumer c on c.co_id = s.sub_consumer order by 1;
select pgq_coop.next_batch('nowhere', 'c', 'm1');
select pgq_coop.next_batch('q', 'c', 'm1');
select pgq.insert_event('q', 't', 'one');
select skytools.tick_write(1);
select pgq.insert_event('q', 't', 'two');
select skytools.tick_write(1);
-- A member that is not registered is so at its first call.
select pgq_coop.next_batch('q', 'c', 'm2');
select pgq_coop.next_batch('q', 'c', 'm2');
select batch_id, cur_tick_id, prev_tick_id, cur_tick_time > prev_tick_time as times, cur_tick_event_seq, prev_tick_event_seq, slots from skytools.coop_next_batch('q', 'c', 'm1');
select * from skytools.coop_next_batch('q', 'c', 'm3');
select c.co_name, s.sub_id, s.sub_last_tick, s.sub_batch, s.sub_next_tick from pgq.subscription s join pgq.consumer c on c.co_id = s.sub_consumer order by 1;
select ev_id, ev_data from pgq.get_batch_events(1);
select ev_id, ev_data from pgq.get_batch_events(2);
select queue_name, consumer_name, prev_tick_id, tick_id from pgq.get_batch_info(2);
-- A retried event goes to any member.
select pgq.event_retry(2, 2, 0);
select pgq.maint_retry_events();
select pgq_coop.finish_batch(2);
select pgq_coop.finish_batch(2);
select pgq_coop.finish_batch(null);
select skytools.coop_finish_batch(2);
select pgq_coop.finish_batch(1);
select pgq.insert_event('q', 't', 'three');
select skytools.tick_write(1);
select pgq_coop.next_batch_custom('q', 'c', 'm3', '1 hour', null, null);
select pgq_coop.next_batch_custom('q', 'c', 'm3', null, 100, null);
select pgq_coop.next_batch_custom('q', 'c', 'm3', null, null, null);
select ev_id, ev_retry, ev_data from pgq.get_batch_events(3);
-- Silent for the interval, it loses the batch to another; what it does then is refused.
select pgq_coop.next_batch('q', 'c', 'm1', '1 hour');
update pgq.subscription set sub_active = now() - interval '2 hours' where sub_batch = 3;
select pgq_coop.next_batch('q', 'c', 'm1', null);
select pgq_coop.next_batch('q', 'c', 'm1', '1 hour');
select ev_id, ev_retry, ev_data from pgq.get_batch_events(4);
select ev_id from pgq.get_batch_events(3);
select member_name, taken_by, consumer_name, queue_name, batch_id from skytools.coop_taken;
do $$ begin perform skytools.coop_finish_batch(3); exception when sqlstate 'SK020' then raise notice '%', sqlerrm; end $$;
select pgq_coop.finish_batch(3);
select pgq.finish_batch(3);
select pgq.event_retry(3, 2, 0);
select pgq_coop.next_batch('q', 'c', 'm3');
-- One with a batch open is unregistered: not at all, or the batch goes to the next that asks.
select pgq_coop.unregister_subconsumer('q', 'c', 'm1', 0);
select pgq_coop.unregister_subconsumer('q', 'c', 'm1', 7);
select pgq_coop.unregister_subconsumer('q', 'c', 'm1', null);
select pgq_coop.unregister_subconsumer('q', 'c', 'm1', 1);
select pgq_coop.unregister_subconsumer('q', 'c', 'm1', 1);
select pgq_coop.unregister_subconsumer('q', 'c', 'nobody', 0);
select pgq_coop.unregister_subconsumer('nowhere', 'c', 'm1', 0);
select consumer_name, last_tick, current_batch, next_tick, last_seen > '10 years' as left_behind from pgq.get_consumer_info('q') where consumer_name like 'c%';
select pgq_coop.next_batch('q', 'c', 'm2');
select ev_id, ev_data from pgq.get_batch_events(5);
-- pgq.finish_batch knows members, too.
select pgq.finish_batch(5);
select c.co_name, s.sub_last_tick, s.sub_batch from pgq.subscription s join pgq.consumer c on c.co_id = s.sub_consumer where c.co_name like 'c%' order by 1;
-- Left with its batch, it comes back.
select pgq.insert_event('q', 't', 'four');
select skytools.tick_write(1);
select pgq_coop.next_batch('q', 'c', 'm2');
select pgq.unregister_consumer('q', 'c.m2');
select pgq_coop.register_subconsumer('q', 'c', 'm2');
select pgq_coop.next_batch('q', 'c', 'm2');
select pgq_coop.unregister_subconsumer('q', 'c', 'm2', 1);
select pgq_coop.finish_batch(6);
select co_name from pgq.consumer order by 1;
-- The main consumer is read as such.
select pgq.insert_event('q', 't', 'five');
select skytools.tick_write(1);
select pgq.next_batch('q', 'c');
select pgq_coop.next_batch('q', 'c', 'm3');
select pgq_coop.finish_batch(7);
select pgq.finish_batch(7);
select pgq_coop.unregister_subconsumer('q', 'c', 'm3', 0);
select pgq_coop.register_subconsumer('q', 'c', 'm4');
select pgq.unregister_consumer('q', 'c');
select co_name from pgq.consumer order by 1;
