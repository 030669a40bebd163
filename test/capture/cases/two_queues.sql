-- Two queues capture one table, one by rows; the name of one's trigger is that of the other's queue.
create table t (id int primary key, n int, v text);
create function again() returns trigger language plpgsql as $$ begin if new.n = 1 then update t set n = 2, v = 'inner' where id = new.id; end if; return null; end $$;
create trigger "A" after insert or update on t for each row execute function again();
select pgq.create_queue('q_truncate'); select pgq.create_queue('other');

--: capture t

--: error 42710
select skytools.capture_install('q_truncate', 'public', 't', '{"mode": "row"}');

select skytools.capture_install('other', 'public', 't', '{"mode": "row", "format": "urlenc"}');

insert into t values (1, 1, 'a'), (2, 0, 'b'); update t set n = 1; delete from t where id = 1;

select skytools.capture_remove('other', 'public', 't');

insert into t values (3, 1, 'c'); update t set id = id + 10; truncate t; insert into t values (4, 1, 'd');
