-- A consumer that is detached with a batch open, half of it done.
select pgq.create_queue('q'), pgq.register_consumer('q', 'c');
select count(pgq.insert_event('q', 't', n::text)) from generate_series(1, 6) n;
select skytools.tick_write(1);
select pgq.insert_event('q', 't', 'next');
select skytools.tick_write(1);
select batch_id, part_nr, part_count, first_ev_id, last_ev_id, cur_tick_id from skytools.next_part('q', 'c', 2, null);
select skytools.finish_part(1, 1);
update pgq.tick set tick_time = date_trunc('hour', now()) - interval '2 hours' + tick_id * interval '1 ms';
select skytools.set_queue_policy('q', 'backlog_max_age', '1 hour');
\set VERBOSITY sqlstate
select skytools.maint_backlog();
\set VERBOSITY terse
select detached_consumer, last_tick, next_tick, batch_id from skytools.detached_consumer;
select skytools.finish_part(1, 2);
-- The ticks that bound it stay, and what was done of it.
select skytools.maint_thin_ticks('q');
select skytools.maint_purge();
select tick_id from pgq.tick order by 1;
select skytools.attach_consumer('q', 'c');
select batch_id, part_nr, part_count, first_ev_id, last_ev_id, cur_tick_id from skytools.next_part('q', 'c', 2, null);
select ev_id from skytools.get_part_events(1, 2);
select skytools.finish_part(1, 2);
select skytools.finish_part(1, 3);
-- One that has none open is attached without one.
\set VERBOSITY sqlstate
select skytools.maint_backlog();
select skytools.attach_consumer('q', 'c');
select consumer_name, last_tick, current_batch, next_tick from pgq.get_consumer_info('q', 'c');
-- Where the events are not all there any more, the batch is none.
select batch_id, part_nr, part_count, first_ev_id, last_ev_id, cur_tick_id from skytools.next_part('q', 'c', 2, null);
select skytools.maint_backlog();
\set VERBOSITY terse
delete from pgq.tick where tick_id < 3;
select skytools.attach_consumer('q', 'c');
select skytools.attach_consumer('q', 'c', true);
select consumer_name, last_tick, current_batch, next_tick from pgq.get_consumer_info('q', 'c');
select skytools.maint_purge();
select count(*) from skytools.batch_part;
