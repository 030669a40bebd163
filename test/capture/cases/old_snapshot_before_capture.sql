-- Writers whose snapshot is older than the capture, and than a change of the
-- table before it.
create table t (id int primary key, v text); create table u (id int primary key, tags text[]); create table other (id int);

begin isolation level repeatable read; select * from other;

--: as second
alter table t add column w int; truncate t; alter table u add column n int, add column more text[];

--: capture t

--: capture u

insert into t values (1, 'a', 5); update t set v = 'b';

--: error 40001
insert into u values (1, '{"a b"}', 2);

rollback;

begin isolation level repeatable read; insert into t values (1, 'a', 5); insert into u values (1, '{"a b"}', 2); commit;

update t set v = 'c'; update u set n = 4;
