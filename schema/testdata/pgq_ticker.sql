-- When a tick is due, in all three forms.
select pgq.create_queue('q');
select pgq.ticker('nowhere');
select pgq.ticker(null);
select pgq.ticker('q');
select pgq.ticker();
-- Nothing new: the pause doubles until the idle period.
update pgq.tick set tick_time = clock_timestamp() - interval '1 second';
select pgq.ticker('q');
update pgq.tick set tick_time = clock_timestamp() - interval '2 seconds';
select pgq.ticker('q');
update pgq.tick set tick_time = clock_timestamp() - case tick_id when 1 then interval '20 seconds' else interval '10 seconds' end;
select pgq.ticker('q');
update pgq.tick set tick_time = clock_timestamp() - case tick_id when 1 then interval '33 seconds' else interval '22 seconds' end;
select pgq.ticker('q');
update pgq.tick set tick_time = clock_timestamp() - case tick_id when 1 then interval '500 seconds' when 2 then interval '400 seconds' else interval '59 seconds' end;
select pgq.ticker('q');
update pgq.tick set tick_time = clock_timestamp() - case tick_id when 1 then interval '500 seconds' when 2 then interval '400 seconds' else interval '61 seconds' end;
select pgq.ticker('q');
-- New events: by their number, by their age.
select count(pgq.insert_event('q', 't', 'd')) from generate_series(1, 499);
select pgq.insert_event('q', 't', 'd') is not null;
select pgq.insert_event('q', 't', 'd') is not null;
select pgq.ticker();
select pgq.insert_event('q', 't', 'd') is not null;
select pgq.ticker('q');
update pgq.tick set tick_time = clock_timestamp() - interval '2.5 seconds';
select pgq.ticker('q');
update pgq.tick set tick_time = clock_timestamp() - interval '3 seconds';
select pgq.ticker('q');
-- Forced.
select pgq.force_tick('q');
select pgq.force_tick('q');
select ev_new from pgq.get_queue_info('q');
select pgq.insert_event('q', 't', 'after it was forced');
select pgq.ticker('q');
select pgq.ticker('q');
select pgq.force_tick('q');
select pgq.ticker();
select pgq.force_tick('nowhere');
select tick_id, tick_event_seq from pgq.tick order by 1;
-- The sequence was set back.
select setval('pgq.event_1_id_seq', 5);
select pgq.ticker('q') as set_back;
update pgq.tick set tick_time = clock_timestamp() - interval '1 hour';
select pgq.ticker('q') as set_back;
-- Paused, or ticked from outside.
select pgq.set_queue_config('q', 'ticker_paused', 'on');
select pgq.ticker('q');
select pgq.ticker();
select pgq.ticker('q', 50, now(), 9000);
select pgq.force_tick('q') = 0, pgq.seq_getval('pgq.event_1_id_seq');
select pgq.set_queue_config('q', 'ticker_paused', 'off');
select pgq.ticker('q', 50, now(), 9000);
select pgq.set_queue_config('q', 'external_ticker', 'on');
select pgq.ticker('q');
select pgq.ticker();
select pgq.ticker('q', 50, '2020-01-01 00:00:00+00', 9000);
select tick_id, tick_time = '2020-01-01 00:00:00+00' as given, tick_event_seq from pgq.tick where tick_id = 50;
select pgq.seq_getval('pgq.event_1_tick_seq'), pgq.seq_getval('pgq.event_1_id_seq');
select pgq.ticker('q', 50, now(), 9000);
select pgq.ticker('q', 49, now(), 9000);
select pgq.ticker('q', 51, now(), 100);
select pgq.seq_getval('pgq.event_1_tick_seq'), pgq.seq_getval('pgq.event_1_id_seq');
select pgq.ticker('nowhere', 1, now(), 1);
select pgq.set_queue_config('q', 'ticker_paused', 'on');
select pgq.ticker('q', 52, now(), 9000);
-- Transaction ids went back.
update pgq.queue set queue_ticker_paused = false, queue_external_ticker = false;
update pgq.tick set tick_snapshot = '99999999:99999999:', tick_time = '2020-01-01 00:00:00+00';
do $$ begin perform pgq.ticker('q'); exception when others then raise notice '%', regexp_replace(sqlerrm, 'cur txid=.*', 'cur txid=N'); end $$;
