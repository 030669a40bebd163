-- A function in SET deletes another row, which the statement has updated already or will not find.
create table t (id int primary key, v text);
create function f(i int) returns text language plpgsql as $$ begin if i = 2 then delete from t where id = 1; end if; return 'n'; end $$;

--: breaks statement first_run
--: breaks row open_mark
--: capture t

insert into t values (1, 'a'), (2, 'b');

update t set v = f(id);
