-- Foreign keys across tables with every action, with triggers of the user on both sides.
create table a (id int primary key, v text);
create table b (id int primary key, a1 int default 1 references a on update cascade on delete cascade, a2 int default 1 references a on update set default on delete set default, a3 int references a on update set null on delete set null deferrable initially deferred, v text);
create table c (a int, b int references b on update cascade on delete cascade, v text, primary key (a, b));
create function tr() returns trigger language plpgsql as $$ begin
  if tg_table_name = 'a' then update b set v = coalesce(v, '') || tg_op where a1 = old.id; return null; end if;
  if tg_op = 'DELETE' then insert into c select 99, min(id), 'heir' from b on conflict do nothing; else update c set v = tg_op where b = new.id; end if; return null; end $$;
create trigger "A" after update or delete on a for each row execute function tr(); create trigger zz after update or delete on a for each row execute function tr();
create trigger "A" after update or delete on b for each row execute function tr(); create trigger zz after update or delete on b for each row execute function tr();

--: capture a
--: capture b
--: capture c

insert into a select i, 'a' from generate_series(1, 9) i; insert into b select i, i, i, i, 'b' from generate_series(1, 9) i; insert into c select i, i, 'c' from generate_series(2, 9) i;

update a set id = id + 20 where id in (3, 4);

delete from a where id in (5, 23);

begin; update a set id = 40 where id = 6; set constraints all immediate; delete from a where id = 40 and not exists (select from b where a1 = 40); update b set id = id + 100; commit;

with x as (delete from a where id = 7), y as (update b set id = 70 where id = 102) update a set id = 80 where id = 8;

do $$ begin delete from a where id = 9; update a set id = 90 where id = 80; delete from b where id = 70; truncate c; end $$;

truncate a cascade; insert into a values (1, 'x'); insert into b values (1, 1);
