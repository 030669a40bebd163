-- A function called over a CTE that inserts.
--: breaks statement first_run
--: breaks row open_mark
create table t (id int primary key, v text);
create function touch(i int) returns int language plpgsql as $$ begin update t set v = 'touched' where id = i; return i; end $$;

--: capture t

with x as (insert into t values (1, 'outer'), (2, 'outer') returning id) select touch(id) from x;
