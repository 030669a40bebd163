-- A writer without any right on the queue.
--: as admin
drop role if exists capture_poor; create role capture_poor;

create table t (id int primary key, v text); grant insert, update, delete, truncate, select on t to capture_poor;

--: capture t

--: as admin
set role capture_poor; insert into t values (1, 'a'), (2, 'b');

--: as admin
update t set id = id + 10; do $$ begin update t set v = 'x'; update t set v = 'y'; end $$;

--: as admin
truncate t; insert into t values (5, 'e'); delete from t;

--: as admin
--: error 42501
select skytools.capture_1_truncate();

--: as admin
reset role; drop owned by capture_poor; drop role capture_poor;
