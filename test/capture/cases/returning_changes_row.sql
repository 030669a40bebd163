-- A function in RETURNING changes the row that the statement writes.
--: breaks statement first_run
--: breaks row open_mark
create table t (id int primary key, v text);
create function touch(i int) returns int language plpgsql as $$ begin update t set v = 'touched' where id = i; return i; end $$;

--: capture t

insert into t values (1, 'outer') returning touch(id);

insert into t values (2, 'outer'), (3, 'outer') returning touch(4 - id + 1);

update t set v = 'outer again' returning touch(id);
