-- BEFORE triggers that change the new row, other rows, or drop the operation.
create table t (id int primary key, n int, v text);
create function b() returns trigger language plpgsql as $$ begin
  if tg_op = 'DELETE' then update t set v = 'mourning' where id = old.id + 1; return old; end if;
  if new.n = 1 then return null; end if;
  if new.n = 2 then insert into t values (new.id + 100, 0, 'beside') on conflict (id) do update set v = 'met'; end if;
  if new.n = 3 then update t set v = 'before 3' where id = 5; end if;
  new.v := coalesce(new.v, '') || '+'; return new; end $$;
create trigger b before insert or update or delete on t for each row execute function b();

--: capture t

insert into t values (1, 0, 'a'), (2, 1, 'dropped'), (3, 2, 'c'), (4, 3, 'd'), (5, 0, 'e');

update t set n = 2 where id < 100;

update t set n = 3 where id in (1, 103);

delete from t where id in (1, 3);
