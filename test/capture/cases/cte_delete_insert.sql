-- A CTE deletes, its statement inserts some of the keys again; the insert's triggers fire first.
--: breaks statement first_run
create table t (id int primary key, v text);

--: capture t

insert into t values (1, 'a'), (2, 'b');

with d as (delete from t where id in (1, 2) returning *) insert into t select id, 're' from d limit 1;

with i as (insert into t values (7, 'new') returning id) delete from t where id = 1;

with d as (delete from t returning *), i as (insert into t select id + 100, v from d returning id) select count(*) from i;

with u as (update t set v = v || '!' returning id) insert into t select id + 1, 'beside' from u;
