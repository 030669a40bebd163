-- Retries in bulk, maximum attempts, dead letters.
select pgq.create_queue('q'), pgq.create_queue('other');
select pgq.register_consumer('q', 'c'), pgq.register_consumer('q', 'd');
select * from skytools.get_queue_policy();
select skytools.set_queue_policy('q', 'max_attempts', '2');
select skytools.set_queue_policy('q', 'dead_keep', '7 days');
select * from skytools.get_queue_policy('q');
select skytools.set_queue_policy('q', 'max_attempts', '0');
select skytools.set_queue_policy('q', 'max_attempts', 'many');
select skytools.set_queue_policy('q', 'dead_keep', '-1 day');
select skytools.set_queue_policy('q', 'backlog_workers', null);
select skytools.set_queue_policy('q', 'nothing', '1');
select skytools.set_queue_policy('q', null, '1');
select skytools.set_queue_policy('nowhere', 'max_attempts', '1');
select skytools.set_queue_policy(null, 'max_attempts', '1');
select pgq.insert_event('q', 't', 'd' || n, 'one', 'two', 'three', 'four') from generate_series(1, 6) n;
select skytools.tick_write(1);
select pgq.next_batch('q', 'c');
select * from skytools.event_retry(1, '{1,2,2}', '0');
select * from skytools.event_retry(1, '{1,3}', '0');
select * from skytools.event_retry(1, '{4,99}', '0');
select * from skytools.event_retry(99, '{1}', '0');
select * from skytools.event_retry(1, '{}', '0');
select * from skytools.event_retry(1, null, '0');
select skytools.event_dead(1, '{3,4}', 'cannot be read');
select skytools.event_dead(1, '{4}', 'again');
select skytools.event_dead(1, '{5}', null);
select skytools.event_dead(99, '{1}', 'x');
-- What is dead is not retried as well.
select pgq.event_retry(1, 4, 0), pgq.batch_retry(1, 0);
select ev_id, ev_retry from pgq.retry_queue order by ev_id;
select pgq.finish_batch(1);
select pgq.maint_retry_events();
select pgq.maint_retry_events();
select skytools.tick_write(1);
select pgq.next_batch('q', 'c');
select ev_id, ev_retry, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4 from pgq.get_batch_events(2);
-- They had their two attempts, whoever asks.
select pgq.event_retry(2, 1, 0);
select pgq.event_retry(2, 1, 0);
select * from skytools.event_retry(2, '{2}', '0');
select pgq.batch_retry(2, 0);
select pgq.event_retry_raw('q', 'c', now(), 50, now(), 1, 't', 'raw', null, null, null, null);
select pgq.event_retry_raw('q', 'c', now(), 51, now(), 2, 't', 'raw', null, null, null, null);
select pgq.event_retry_raw('q', 'c', now(), 51, now(), 2, 't', 'raw', null, null, null, null);
select ev_id, ev_retry from pgq.retry_queue order by ev_id;
select dead_id, queue_name, consumer_name, dead_time = now() as now, dead_reason, ev_id, ev_retry, ev_type, ev_data, ev_extra1 from skytools.dead_events(null, null, null);
select ev_id from skytools.dead_events('q', 'c', 2);
select ev_id from skytools.dead_events('q', 'd', null);
-- Replay is for this consumer only, and attempts count anew.
select skytools.dead_replay('q', 'nobody');
select skytools.dead_replay('nowhere', 'c');
select skytools.dead_replay('q', 'd');
select skytools.dead_replay('q', 'c', '{1,999}');
select skytools.dead_replay('q', 'c', '{1}');
select ev_id, ev_retry, ev_retry_after <= now() as due from pgq.retry_queue order by ev_id;
select pgq.finish_batch(2);
select pgq.maint_retry_events();
select skytools.tick_write(1);
select pgq.next_batch('q', 'c');
select ev_id, ev_retry, ev_data from pgq.get_batch_events(3);
select * from skytools.event_retry(3, '{3}', '1 hour');
select pgq.finish_batch(3);
select pgq.next_batch('q', 'd');
select ev_id from pgq.get_batch_events(4);
select skytools.event_dead(4, '{1}', 'not mine');
-- Purge, by hand and by time.
select skytools.dead_purge('q', 'c', '1 hour');
select skytools.dead_purge('q', 'd');
select skytools.dead_purge('nowhere', 'c');
update skytools.dead_event set dead_time = now() - interval '8 days' where ev_id = 4;
select skytools.maint_purge();
select ev_id from skytools.dead_events('q', null, null);
-- Letters outlive the consumer, not the queue.
select pgq.unregister_consumer('q', 'c');
select ev_id from skytools.dead_events('q', null, null);
select pgq.drop_queue('q', true);
select count(*) from skytools.dead_event;
select count(*) from skytools.queue_policy;
-- A queue that takes no events keeps what is due; others get theirs.
select pgq.create_queue('q');
select pgq.register_consumer('q', 'c'), pgq.register_consumer('other', 'c');
select pgq.event_retry_raw('q', 'c', now(), n, now(), 1, 't', 'q' || n, null, null, null, null),
       pgq.event_retry_raw('other', 'c', now() - n * interval '1 s', n, now(), 1, 't', 'o' || n, null, null, null, null)
  from generate_series(1, 3) n;
update pgq.queue set queue_disable_insert = true where queue_name = 'q';
select pgq.maint_retry_events();
select pgq.maint_retry_events();
select ev_id, ev_data from pgq.event_2 order by ctid;
select last_value from pgq.event_2_id_seq;
update pgq.queue set queue_disable_insert = false where queue_name = 'q';
select skytools.move_retries(2);
select skytools.move_retries(2);
select skytools.move_retries(2);

-- an event that its batch holds twice, asked for, brought back and worked on again
select pgq.create_queue('twice'), pgq.register_consumer('twice', 'c');
select skytools.set_queue_policy('twice', 'max_attempts', '3');
select pgq.insert_event('twice', 't', 'd') as id \gset
select pgq.force_tick('twice') is not null as forced;
select pgq.ticker('twice') is not null as ticked;
select pgq.next_batch('twice', 'c') as batch \gset
select * from skytools.event_retry(:batch, array[:id::bigint], '0');
select pgq.maint_retry_events();
select * from skytools.event_retry(:batch, array[:id::bigint], '0');
select pgq.maint_retry_events();
select pgq.finish_batch(:batch);
select pgq.force_tick('twice') is not null as forced;
select pgq.ticker('twice') is not null as ticked;
select pgq.next_batch('twice', 'c') as batch \gset
select ev_id = :id as same, ev_retry from pgq.get_batch_events(:batch);
select * from skytools.event_retry(:batch, array[:id::bigint], '0');
select ev_retry from pgq.retry_queue where ev_id = :id;
select skytools.event_dead(:batch, array[:id::bigint], 'hopeless');
select pgq.event_retry_raw('twice', 'c', now(), :id, now(), 3, 't', 'd', null, null, null, null) = :id as again;
select ev_id = :id as same, ev_retry from skytools.dead_events('twice', 'c', null);

-- a batch number that is not open yet
select skytools.own_batch((select queue_id from pgq.queue where queue_name = 'twice'), :batch) = :batch as own,
    skytools.own_batch((select queue_id from pgq.queue where queue_name = 'twice'), :batch + 1) is null as unknown;

select skytools.json_field(repeat('[', 200000), 'a') = '' as too_deep, skytools.json_field('{"a": 1}', 'a');
