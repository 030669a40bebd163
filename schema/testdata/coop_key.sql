-- Members of a cooperative consumer that keep the order of keys.
select pgq.create_queue('q');
select pgq.set_queue_config('q', 'ticker_max_count', '8');
select skytools.coop_set_key('nowhere', 'c', 'ev_extra1');
select skytools.coop_set_key('q', 'c', 'ev_id');
select skytools.coop_set_key('q', 'c', 'json:');
select skytools.coop_set_key('q', 'c', 'ev_extra1', 0);
select skytools.coop_set_key('q', 'c', null);
select skytools.coop_set_key('q', 'c', 'ev_extra1', 4);
select skytools.coop_set_key('q', 'c', 'ev_extra1', 4);
select pgq_coop.register_subconsumer('q', 'c', 'a');
select pgq_coop.register_subconsumer('q', 'c', 'b');
select skytools.coop_set_key('q', 'c.a', 'ev_extra1');
select count(pgq.insert_event('q', 't', n::text, 'key' || n % 8, null, null, null)) from generate_series(1, 40) n;
select skytools.tick_write(1);
select count(pgq.insert_event('q', 't', n::text, 'key' || n % 8, null, null, null)) from generate_series(41, 48) n;
select skytools.tick_write(1);
select pgq.next_batch('q', 'c');
select batch_id, prev_tick_id, cur_tick_id, slots from skytools.coop_next_batch('q', 'c', 'a');
select batch_id, prev_tick_id, cur_tick_id, slots from skytools.coop_next_batch('q', 'c', 'b');
select ev_extra1, count(*), min(ev_id), max(ev_id) from pgq.get_batch_events(1) group by 1 order by 1;
select ev_extra1, count(*), min(ev_id), max(ev_id) from pgq.get_batch_events(2) group by 1 order by 1;
begin;
select count(*) from pgq.get_batch_cursor(1, 'cur', 100, 'ev_id < 10 or ev_id > 30');
rollback;
-- While b is at work, a goes on with its own slots only.
select pgq_coop.finish_batch(1);
select batch_id, prev_tick_id, cur_tick_id, slots from skytools.coop_next_batch('q', 'c', 'a');
select ev_extra1, count(*), min(ev_id), max(ev_id) from pgq.get_batch_events(3) group by 1 order by 1;
select pgq_coop.finish_batch(3);
select pgq_coop.next_batch('q', 'c', 'a');
select slot, last_tick, next_tick, batch_id from skytools.coop_slot order by 1;
select consumer_name, last_tick, current_batch, next_tick from pgq.get_consumer_info('q');
select skytools.coop_set_key('q', 'c', 'ev_type');
-- A silent member's slots go to another, under a new number.
update pgq.subscription set sub_active = now() - interval '2 hours' where sub_batch = 2;
select batch_id, prev_tick_id, cur_tick_id, slots from skytools.coop_next_batch('q', 'c', 'a', '1 hour');
select pgq_coop.finish_batch(2);
select slot, last_tick, next_tick, batch_id from skytools.coop_slot order by 1;
-- An unregistered one's are free again.
select pgq_coop.unregister_subconsumer('q', 'c', 'a', 1);
select slot, last_tick, next_tick, batch_id from skytools.coop_slot order by 1;
select skytools.coop_set_key('q', 'c', 'ev_type');
select co_name from pgq.consumer order by 1;
select batch_id, prev_tick_id, cur_tick_id, slots from skytools.coop_next_batch('q', 'c', 'z');
select pgq.finish_batch(5);
select batch_id, prev_tick_id, cur_tick_id, slots from skytools.coop_next_batch('q', 'c', 'z');
select skytools.coop_finish_batch(6);
select pgq_coop.next_batch('q', 'c', 'z');
select consumer_name, last_tick from pgq.get_consumer_info('q', 'c');
-- Moved, all slots move, and open batches are gone.
select pgq.register_consumer_at('q', 'c', 2);
select batch_id, prev_tick_id, cur_tick_id, slots from skytools.coop_next_batch('q', 'c', 'z');
select pgq.register_consumer_at('q', 'c', 1);
select pgq_coop.finish_batch(7);
select slot, last_tick, next_tick, batch_id from skytools.coop_slot order by 1;
-- Other keys.
select skytools.coop_set_key('q', 'c', 'json:k, id', 2);
select k, skytools.coop_key_sql(k) from unnest(array['ev_extra3', 'json:id', 'urlenc:a,b', 'urlenc:a b']) k;
select skytools.json_field('{"a": 5}', 'a'), skytools.json_field('{"a": null}', 'a') || '|', skytools.json_field('a=5', 'a') || '|', skytools.json_field('[1]', 'a') || '|', skytools.json_field(null, 'a') || '|';
select skytools.coop_set_key('q', 'c', 'urlenc:a', 3);
select pgq.insert_event('q', 't', 'a=' || n || '&b=' || n * 10) is not null as made from generate_series(1, 3) n;
select pgq.insert_event('q', 't', 'b=1') is not null as made;
select skytools.tick_write(1) > 0 as ticked;
select batch_id, prev_tick_id, cur_tick_id, slots from skytools.coop_next_batch('q', 'c', 'z', i_min_count => 50);
select count(*), count(distinct ev_id) from pgq.get_batch_events(8);
select pgq_coop.finish_batch(8);
-- Without a key, whole batches again, from where the slots stood.
select skytools.coop_set_key('q', 'c', null);
select pgq.insert_event('q', 't', 'whole') is not null as made;
select skytools.tick_write(1) > 0 as ticked;
select batch_id, prev_tick_id, cur_tick_id, slots from skytools.coop_next_batch('q', 'c', 'z');
select ev_data from pgq.get_batch_events(9);
select skytools.coop_set_key('q', 'c', 'ev_extra1');
select pgq.unregister_consumer('q', 'c');
-- A batch that the server would like to read in parallel.
select skytools.coop_set_key('q', 'j', 'json:id', 2);
select count(pgq.insert_event('q', 't', '{"id": ' || n % 10 || '}')) from generate_series(1, 2000) n;
select skytools.tick_write(1) > 0 as ticked;
select slots from skytools.coop_next_batch('q', 'j', 'z');
begin;
set local parallel_setup_cost = 0;
set local parallel_tuple_cost = 0;
set local min_parallel_table_scan_size = 0;
set local min_parallel_index_scan_size = 0;
select count(*) from pgq.get_batch_events((select sub_batch from pgq.subscription where sub_batch is not null));
commit;
select pgq.unregister_consumer('q', 'j');
select count(*) from skytools.coop_key, skytools.coop_slot;
