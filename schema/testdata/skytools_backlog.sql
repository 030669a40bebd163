-- Consumers that are too far behind: warned of, then detached, then attached.
select pgq.create_queue('q');
select pgq.register_consumer('q', 'slow'), pgq.register_consumer('q', 'fast'), pgq.register_consumer('q', 'worker');
select skytools.claim('q', 'worker', '1', 2, 'db', 'node', 1);
select count(pgq.insert_event('q', 't', repeat('x', 1000))) from generate_series(1, 300) n;
select skytools.tick_write(1);
select pgq.next_batch('q', 'fast');
select pgq.finish_batch(1);
select pgq.event_retry_raw('q', 'slow', now() - interval '1 hour', 1000, now(), 1, 't', 'waits', null, null, null, null);
-- Without a policy nobody is asked.
select * from pgq.maint_operations();
select skytools.maint_backlog();
select skytools.set_queue_policy('q', 'backlog_warn_age', '1 hour');
select * from pgq.maint_operations();
select skytools.maint_backlog();
update pgq.tick set tick_time = tick_time - interval '2 hours';
\set VERBOSITY sqlstate
select skytools.maint_backlog();
\set VERBOSITY terse
select queue_name, consumer_name, since = now() as new, date_trunc('hour', age) as age, bytes > 300000 and bytes < 600000 as of_size, reason from skytools.get_backlog_warnings();
-- At the maximum the worker stays, warned of.
select skytools.set_queue_policy('q', 'backlog_max_age', '90 minutes');
\set VERBOSITY sqlstate
select skytools.maint_backlog();
\set VERBOSITY terse
select queue_name, consumer_name, since = now() as new, reason from skytools.get_backlog_warnings();
select queue_name, consumer_name, last_tick, detached_at = now() as now, date_trunc('hour', age) as age, reason from skytools.get_detached_consumers();
select queue_name, consumer_name from pgq.get_consumer_info();
-- It is told so, and not registered anew by mistake.
\set VERBOSITY default
\set SHOW_CONTEXT never
select pgq.next_batch('q', 'slow');
select pgq.register_consumer('q', 'slow');
select pgq.register_consumer_at('q', 'slow', 2);
\set VERBOSITY terse
select pgq.maint_retry_events();
select skytools.attach_consumer('q', 'nobody');
select skytools.attach_consumer('nowhere', 'slow');
select skytools.attach_consumer('q', 'slow');
select skytools.attach_consumer('q', 'slow');
select pgq.next_batch('q', 'slow');
select count(*) from pgq.get_batch_events(2);
select pgq.maint_retry_events();
-- By size, and the worker where that is said.
select skytools.set_queue_policy('q', 'backlog_max_age', null), skytools.set_queue_policy('q', 'backlog_warn_age', null);
select skytools.set_queue_policy('q', 'backlog_max_bytes', '100000000');
select skytools.maint_backlog();
select * from skytools.get_backlog_warnings();
select skytools.set_queue_policy('q', 'backlog_max_bytes', '100000'), skytools.set_queue_policy('q', 'backlog_workers', 'on');
\set VERBOSITY sqlstate
select skytools.maint_backlog();
\set VERBOSITY terse
select consumer_name, last_tick, reason from skytools.get_detached_consumers();
-- What rotation has taken since is an error, unless accepted.
delete from pgq.tick where tick_id = 1;
select skytools.attach_consumer('q', 'slow');
select consumer_name from skytools.get_detached_consumers();
select skytools.attach_consumer('q', 'slow', true);
select skytools.forget_detached('q', 'worker');
select skytools.forget_detached('q', 'worker');
select pgq.register_consumer('q', 'worker');
-- Unregistering a detached consumer forgets it, dropping the queue all.
select pgq.insert_event('q', 't', repeat('x', 100000));
select skytools.tick_write(1);
select skytools.set_queue_policy('q', 'backlog_max_bytes', '10');
\set VERBOSITY sqlstate
select skytools.maint_backlog();
\set VERBOSITY terse
select pgq.unregister_consumer('q', 'slow');
select pgq.unregister_consumer('q', 'slow');
select consumer_name from skytools.get_detached_consumers();
select pgq.drop_queue('q', true);
select count(*) from skytools.detached_consumer;
