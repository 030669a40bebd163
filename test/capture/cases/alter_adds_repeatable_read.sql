-- A REPEATABLE READ writer whose snapshot is older than a column of a type
-- that must not be written as it stands.
--: breaks statement shape
create table t (id int primary key, v text); create table other (id int);

--: capture t

insert into t values (1, 'a'), (2, 'b'); update t set v = 'c'; delete from t where id = 2;

begin isolation level repeatable read; select * from other;

--: as second
alter table t add column tags text[] default '{a,"b c"}', add column doc jsonb;

insert into t values (3, 'c', '{"x y",null}', 'null'); update t set v = 'x'; delete from t where id = 3;

commit;

insert into t values (4, 'c', '{"x y",null}', 'null'), (5, 'd', null, null); update t set v = 'x';

begin isolation level repeatable read; select * from other;

--: as second
alter table t drop column doc, add column gone int, add column r int4range default '[1,5)', add column at timestamptz default '2026-01-02 03:04:05+06', add column ok bool default true;

--: as second
alter table t drop column gone; alter table t alter column v type text[] using array[v];

set datestyle = 'german, dmy'; set timezone = 'Asia/Tokyo'; insert into t values (6, '{"a,b"}', null, '[2,3)', '2026-01-01 00:00:00+00', false); delete from t where id = 6; insert into t (id) values (7);

commit;

update t set v = v || '{"z z"}'; update t set id = id + 10;

begin isolation level repeatable read; select * from other;

--: as second
truncate t; insert into t (id) values (1);

truncate t; insert into t (id) values (2); update t set id = 3;

commit;
