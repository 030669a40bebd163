-- Under a deferrable key a REPEATABLE READ writer's row comes beside a row that
-- somebody has only locked, or whose deletion was rolled back, and leaves again.
create table t (id int primary key deferrable initially deferred, v text);

--: capture t

insert into t values (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd');

begin; select * from t where id = 1 for update; commit;

begin; delete from t where id = 2; rollback;

begin isolation level repeatable read; insert into t values (1, 'guest'); update t set id = 50 where v = 'guest'; commit;

begin isolation level repeatable read; insert into t values (2, 'guest 2'); delete from t where v = 'guest 2'; commit;

begin isolation level serializable; select * from t;

--: as second
delete from t where id = 3; update t set v = 'later' where id = 4;

insert into t values (3, 'guest 3'); delete from t where v = 'guest 3'; commit;

begin isolation level repeatable read; select * from t;

--: as second
update t set v = 'later still' where id = 4;

insert into t values (4, 'guest 4');

--: error 40001
delete from t where v = 'guest 4';

rollback;
