-- Members of a cooperative consumer, by functions that are made for consumers.
select pgq.create_queue('q');
select skytools.coop_set_key('q', 'c', 'ev_extra1', 4);
select pgq_coop.register_subconsumer('q', 'c', 'a');
select pgq_coop.register_subconsumer('q', 'c', 'b');
select count(pgq.insert_event('q', 't', n::text, 'key' || n % 8, null, null, null)) from generate_series(1, 40) n;
select skytools.tick_write(1);
select batch_id, slots from skytools.coop_next_batch('q', 'c', 'a');
select batch_id, slots from skytools.coop_next_batch('q', 'c', 'b');
-- Parts have the events of the member's slots.
select count(*), min(ev_id), max(ev_id) from pgq.get_batch_events(1);
select count(*), min(ev_id), max(ev_id) from pgq.get_batch_events(2);
select part_nr, part_count, first_ev_id, last_ev_id, part_events from skytools.next_part('q', 'c.a', 4, null);
select skytools.finish_part(1, 1);
select part_nr, part_count, first_ev_id, last_ev_id, part_events from skytools.next_part('q', 'c.a', 100, null);
select count(*), count(*) filter (where ev_extra1 in (select ev_extra1 from pgq.get_batch_events(2))) as others from skytools.get_part_events(1, (select min(part_nr) from skytools.batch_part));
select skytools.finish_part(1, min(part_nr)) from skytools.batch_part;
select slot, last_tick, next_tick, batch_id from skytools.coop_slot order by 1;
-- Places are the main one's.
\set VERBOSITY default
\set SHOW_CONTEXT never
select pgq.register_consumer_at('q', 'c.b', 1);
select pgq.register_consumer_at('q', 'c.b', null);
select count(*) from pgq.get_batch_events(2);
-- A member has no members.
select pgq_coop.register_subconsumer('q', 'c.b', 'x');
select skytools.coop_next_batch('q', 'c.b', 'x');
select co_name from pgq.consumer order by 1;
-- It is not detached: what its members have finished would be delivered again.
select skytools.set_queue_policy('q', 'backlog_max_age', '90 minutes');
update pgq.tick set tick_time = tick_time - interval '2 hours';
select skytools.maint_backlog();
\set VERBOSITY sqlstate
select consumer_name, reason from skytools.get_backlog_warnings();
select consumer_name from skytools.get_detached_consumers();
select skytools.coop_finish_batch(2);
select batch_id from skytools.coop_next_batch('q', 'c', 'b');
-- Nor with a key alone, or members alone.
select count(pgq.insert_event('q', 't', n::text)) from generate_series(41, 43) n;
select skytools.tick_write(1);
update pgq.tick set tick_time = tick_time - interval '2 hours';
select pgq_coop.unregister_subconsumer('q', 'c', 'a', 0), pgq_coop.unregister_subconsumer('q', 'c', 'b', 0);
select skytools.maint_backlog();
select skytools.coop_set_key('q', 'c', null);
select pgq_coop.next_batch('q', 'c', 'a');
select skytools.maint_backlog();
-- One that has left does a part yet; its batch goes to the next that asks.
select part_nr, part_count, first_ev_id, last_ev_id from skytools.next_part('q', 'c.a', 1, null);
select pgq_coop.unregister_subconsumer('q', 'c', 'a', 1);
select skytools.finish_part(3, 1);
select skytools.maint_backlog();
select pgq_coop.next_batch('q', 'c', 'b');
select ev_id from pgq.get_batch_events(4);
select pgq_coop.finish_batch(4);
-- Without either it is like any other.
select skytools.tick_write(1);
update pgq.tick set tick_time = tick_time - interval '2 hours';
select pgq_coop.unregister_subconsumer('q', 'c', 'b', 0);
select skytools.maint_backlog();
select consumer_name, last_tick, reason from skytools.get_detached_consumers();
