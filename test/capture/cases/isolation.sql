-- REPEATABLE READ and SERIALIZABLE writers beside others.
create table t (id int primary key, v text);
create function touch(i int) returns int language plpgsql as $$ begin update t set v = 'touched' where id = i; return i; end $$;

--: capture t

insert into t values (1, 'a'), (2, 'b');

begin isolation level repeatable read; select count(*) from t;

--: as second
insert into t values (3, 'other'); update t set v = 'second' where id = 2;

insert into t values (4, 'rr') returning touch(4);

update t set v = v || '+' where id = 1; delete from t where id = 4; insert into t values (4, 'again');

commit;

begin isolation level serializable;

update t set id = id + 10 returning touch(id);

truncate t;

insert into t values (1, 'last');

commit;
