-- A partitioned table is captured under its own name, whatever a statement
-- names: partitions of partitions, columns in another order, rows that move.
create table t (id int, k text, v text, primary key (id, k)) partition by list (k);
create table t_a partition of t for values in ('a');
create table t_b (v text, gone int, k text not null, id int not null, primary key (id, k)); alter table t_b drop column gone;
alter table t attach partition t_b for values in ('b');
create table t_c partition of t for values in ('c', 'd') partition by range (id);
create table t_c1 partition of t_c for values from (0) to (100);
create table t_c2 partition of t_c default;

--: breaks row related
--: capture t {"mode": "row"}

insert into t values (1, 'a', 'x'), (2, 'b', 'y'), (3, 'c', 'z'), (300, 'd', 'w');

insert into t_a values (4, 'a', 'direct'); insert into t_b (id, k, v) values (5, 'b', 'direct'); insert into t_c values (6, 'c', 'between');

update t set v = v || '!'; update t_b set v = v || '?'; update t_c set v = 'c';

update t set k = 'b' where k = 'a'; update t set id = id + 200 where k = 'c';

update t_c set id = 5 where id = 203;

delete from t where id = 1; delete from t_b where id = 2; delete from t_c where id = 300;

insert into t values (7, 'a', 'x') on conflict (id, k) do update set v = 'up'; insert into t values (7, 'a', 'x') on conflict (id, k) do update set v = 'up';

create table t_e partition of t for values in ('e');

insert into t_e values (8, 'e', 'new'); insert into t values (9, 'e', 'new'); update t set k = 'e' where k = 'a'; update t_e set v = 'x' where id = 8;

insert into t select i, 'c', 'many' from generate_series(1, 250) i where i not in (5, 206); delete from t where v = 'many' and id % 3 = 0;

-- In a statement on the whole a function changes a partition, and the other way about.

create function inner_leaf(int) returns text language plpgsql as $$ begin update t_b set v = 'inner' where id = $1; delete from t_e where id = $1; return 'outer'; end $$;
create function inner_root(int) returns text language plpgsql as $$ begin update t set v = 'inner' where id = $1 and k = 'b'; insert into t values ($1, 'a', 'in') on conflict (id, k) do update set v = 'again'; return 'outer'; end $$;

insert into t values (20, 'b', inner_leaf(20)) returning inner_leaf(20);

update t set v = 'o' where id = 20 returning inner_leaf(20);

update t_b set v = 'o' where id = 20 returning inner_root(20);

with d as (delete from t_b where id = 20 returning *) insert into t select id, k, 'back' from d;

with d as (delete from t where id = 20 returning *) insert into t_b (id, k, v) select 40, 'b', 'back' from d limit 1;

create function again() returns trigger language plpgsql as $$ begin if new.v = 'go' then update t_b set v = 'gone' where id = new.id; end if; return null; end $$;
create trigger "Again" after insert or update on t for each row execute function again();

insert into t values (21, 'b', 'go'); update t set v = 'go' where id = 20; insert into t_b (id, k, v) values (22, 'b', 'go');

begin; insert into t values (30, 'a', 'x'); savepoint s; update t_a set v = 'y'; update t set k = 'b' where id = 30; rollback to s; update t set v = 'z' where id = 30; commit;

begin isolation level repeatable read; select from t limit 1;

--: as second
update t set v = 'second' where id = 21; insert into t values (31, 'a', 'second');

insert into t_b (id, k, v) values (32, 'b', 'rr'); update t set v = 'rr' where id = 20; delete from t where id = 22;

commit;

truncate t; insert into t values (1, 'a', 'x'), (2, 'b', 'y'), (3, 'c', 'z'), (300, 'd', 'w');
