-- MERGE with functions that write the table, in every place, and under triggers.
--: needs 15
create table t (id int primary key, n int default 0, v text);
create function poke(i int) returns bool language plpgsql as $$ begin update t set v = v || '~' where id = i; insert into t values (i + 500, 0, 'made') on conflict (id) do update set v = t.v || '.'; return true; end $$;
create function again() returns trigger language plpgsql as $$ begin
  if tg_op = 'DELETE' then if old.n = 5 then insert into t values (old.id, 0, 'reborn') on conflict do nothing; end if; return null; end if;
  if new.n = 1 then update t set n = 2, v = 'inner' where id = new.id; end if;
  if new.n = 3 then update t set id = id + 1000, n = 0 where id = new.id; end if; if new.n = 4 then delete from t where id = new.id; end if; return null; end $$;
create trigger "A" after insert or update or delete on t for each row execute function again();
create trigger zz after insert or update or delete on t for each row execute function again();

--: needs 15
--: capture t

--: needs 15
insert into t values (1, 0, 'a'), (2, 0, 'b'), (3, 5, 'c'), (4, 0, 'd'), (5, 5, 'e');

--: needs 15
merge into t using (values (1, 1), (2, 3), (3, 0), (6, 1), (7, 3), (8, 4), (9, 0)) s (id, n) on t.id = s.id
  when matched and s.id = 3 then delete when matched then update set n = s.n, v = 'm' when not matched then insert values (s.id, s.n, 'i');

--: needs 15
merge into t using (values (1), (4), (20)) s (id) on t.id = s.id
  when matched and poke(6) then update set id = t.id + 30, v = 'moved' when not matched and poke(20) then insert values (s.id, 1, 'p');

--: needs 17
merge into t using (values (4, 'r'), (9, 'n'), (31, 'q')) s (id, v) on t.id = s.id
  when matched then update set v = s.v, n = 1 when not matched then insert values (s.id, 1, s.v)
  when not matched by source and t.id % 2 = 0 then update set id = -90000 - t.id, n = 0 when not matched by source then delete returning merge_action(), poke(5000);

--: needs 17
with m as (merge into t using (values (9), (10)) s (id) on t.id = s.id when matched then delete when not matched then insert values (s.id, 1, 'cte') returning t.id, t.v) insert into t select id, 3, v from m where id = 9;

--: needs 15
do $$ begin merge into t using (select 9 as id) s on t.id = s.id when matched then update set n = 1; merge into t using t s on t.id = s.id + 1 when matched then update set n = 3 when not matched then insert values (s.id + 2000, 1, 'self'); end $$;
