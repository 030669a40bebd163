-- A function resets the session's settings while a statement is open.
--: breaks statement reset
--: breaks row reset
create table t (id int primary key, v text);
create function touch(i int) returns int language plpgsql as $$ begin update t set v = 'touched' where id = i; execute 'reset all'; return i; end $$;

--: capture t

insert into t values (1, 'outer') returning touch(1);

insert into t values (2, 'outer'), (3, 'outer') returning touch(id);

update t set v = 'outer' returning touch(id);

begin;

insert into t values (4, 'outer') returning touch(4);

delete from t returning touch(id); insert into t values (5, 'outer') returning touch(5);

commit;
