-- Virtual generated columns: triggers do not see their values.
--: needs 18
create table t (id int primary key, a int, twice int generated always as (a * 2) virtual, "Up per" text generated always as (upper('x' || a::text)) virtual, v text[]);
create table p (id int primary key, a int, twice int generated always as (a * 2) virtual);

--: needs 18
--: capture t
--: capture p

--: needs 18
insert into t values (1, 1), (2, 2); insert into p values (1, 1), (2, null);

--: needs 18
do $$ begin update t set a = a + 1; update t set id = id + 10; update p set a = 5; delete from p where id = 1; end $$;

--: needs 18
create table other (id int);

--: needs 18
begin isolation level repeatable read; select * from other;

--: needs 18
--: as second
alter table t add column "Y Z" int generated always as (a * 3) virtual, add column w int[]; alter table p add column more int generated always as (a * 3) virtual, add column w text;

--: needs 18
insert into t values (7, 1); update t set a = 6; update p set a = 7;

--: needs 18
commit;

--: needs 18
update t set a = 8; update p set a = 9;
