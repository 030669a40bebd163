-- Triggers after DELETE that insert the key again, delete more, or change a neighbour.
--: breaks statement first_run
create table t (id int primary key, n int, v text);
create function d() returns trigger language plpgsql as $$ begin
  if old.n = 1 then insert into t values (old.id, 0, 'reborn') on conflict do nothing; end if;
  if old.n = 2 then delete from t where id = old.id + 1; end if;
  if old.n = 3 then update t set v = v || '?', n = 1 where id > old.id; end if; return null; end $$;
create trigger "A" after delete on t for each row execute function d();
create trigger zz after delete on t for each row execute function d();

--: capture t

insert into t select i, i % 4, 'v' from generate_series(1, 20) i;

delete from t where id < 5;

delete from t where id in (3, 7, 10, 11);

delete from t;
