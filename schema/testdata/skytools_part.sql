-- A batch in parts, capped by count and by bytes.
select pgq.create_queue('q'), pgq.register_consumer('q', 'c'), pgq.register_consumer('q', 'd');
select * from skytools.next_part('q', 'c', 3, null);
select * from skytools.next_part('q', 'nobody', 3, null);
select * from skytools.next_part('q', 'c', 0, null);
select * from skytools.next_part('q', 'c', 3, -1);
select pgq.insert_event('q', 't', repeat('x', n), 'e', null, null, null) from generate_series(1, 8) n;
select pgq.insert_event('q', 't', repeat('x', 100));
select pgq.insert_event('q', null, null);
select skytools.tick_write(1);
select * from skytools.next_part('q', 'c', 3, null);
select * from skytools.next_part('q', 'c', 3, null);
select ev_id, length(ev_data) from skytools.get_part_events(1, 1);
select ev_id, length(ev_data) from skytools.get_part_events(1, 4);
select ev_id from skytools.get_part_events(1, 5);
select ev_id from skytools.get_part_events(99, 1);
select skytools.finish_part(1, 2);
select skytools.finish_part(1, 1);
select skytools.finish_part(1, 1);
select skytools.finish_part(1, 5);
select skytools.finish_part(99, 1);
select skytools.finish_part(null, null);
select batch_id, part_nr, part_count, first_ev_id, last_ev_id from skytools.next_part('q', 'c', 3, null);
-- Retries look into the part that is open, then into the batch.
select * from skytools.event_retry(1, '{4,5}', '0');
select * from skytools.event_retry(1, '{1,10}', '0');
select pgq.event_retry(1, 6, 0);
-- Another size: what is left is cut anew.
select * from skytools.next_part('q', 'c', null, 20);
select ev_id, length(ev_data) from skytools.get_part_events(1, 5);
select part_nr, first_ev_id, last_ev_id, part_events, part_bytes from skytools.batch_part order by 1;
select skytools.finish_part(1, 2);
select skytools.finish_part(1, 5), skytools.finish_part(1, 6), skytools.finish_part(1, 7);
select * from skytools.next_part('q', 'c', null, null);
select skytools.finish_part(1, 10);
select last_tick, current_batch from pgq.get_consumer_info('q', 'c');
select (select count(*) from skytools.batch_part) as parts, (select count(*) from skytools.batch_cut) as cuts;
-- An empty batch is one empty part; retries come in parts, too.
select skytools.tick_write(1);
select * from skytools.next_part('q', 'c', 3, 1000);
select * from skytools.get_part_events(2, 1);
select skytools.finish_part(2, 1);
select pgq.maint_retry_events();
select skytools.tick_write(1);
select * from skytools.next_part('q', 'c', 3, 1000);
select ev_id, ev_retry from skytools.get_part_events(3, 1);
-- The whole batch may be finished, or the consumer moved.
select pgq.finish_batch(3);
select skytools.finish_part(3, 1);
select batch_id, part_nr, part_count from skytools.next_part('q', 'd', 4, null);
select count(*) from pgq.get_batch_events(4);
select pgq.register_consumer_at('q', 'd', 2);
select skytools.finish_part(4, 1);
select batch_id, part_nr, part_count from skytools.next_part('q', 'd', 4, null);
select * from pgq.maint_operations();
select skytools.maint_purge();
select batch_id from skytools.batch_cut order by 1;
select distinct batch_id from skytools.batch_part order by 1;
