-- A REPEATABLE READ writer makes a key anew that another has deleted since its
-- snapshot: it sees the other's row beside its own.
--: breaks statement own_rows
--: breaks row own_rows
create table t (id int primary key, v text);
create function touch(i int) returns int language plpgsql as $$ begin
  update t set v = 'touched' where id = i and v = 'new'; return i; end $$;

--: capture t

insert into t values (1, 'old'), (2, 'old'), (3, 'old'), (4, 'old');

begin isolation level repeatable read; select count(*) from t;

--: as second
delete from t;

insert into t values (1, 'new') returning touch(1);

insert into t values (2, 'new');

update t set id = 20 where id = 2 and v = 'new';

savepoint s; insert into t values (3, 'new') returning touch(3);

insert into t values (4, 'new') on conflict (id) do update set v = 'updated';

commit;
