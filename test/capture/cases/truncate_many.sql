-- TRUNCATE of several tables, by cascade too, whose triggers write each other.
create table a (id int primary key, v text); create table b (id int primary key, a int references a on delete cascade, v text); create table d (id serial primary key, v text);
create function w() returns trigger language plpgsql as $$ begin
  if tg_argv[0] = 'fill' then insert into d (v) values (tg_table_name || tg_when); insert into a values (1, tg_name) on conflict do nothing;
  elsif tg_argv[0] = 'b' then insert into a values (1, 'b') on conflict (id) do update set v = a.v || 'x'; insert into b values (5, 1, 'own'), (6, 1, 'own'); delete from b where id = 6;
  else delete from d where id % 2 = 0; update a set id = id + 1 where not exists (select from b where b.a = a.id); end if; return null; end $$;
create trigger "A" after truncate on a execute function w('fill'); create trigger zz after truncate on a execute function w('upd');
create trigger "A" after truncate on b execute function w('b'); create trigger "B" before truncate on b execute function w('fill'); create trigger "C" after truncate on d execute function w('fill'); create trigger zz after truncate on d execute function w('upd');

--: capture a
--: capture b
--: capture d

insert into a values (1, 'a'), (2, 'b'); insert into b values (1, 1, 'x'); insert into d (v) values ('d');

truncate a, b, d;

truncate a cascade;

do $$ begin truncate d; truncate a, b; delete from b; truncate b; insert into a values (70, 'end'); truncate d restart identity; end $$;

begin; savepoint s; truncate a, b, d; rollback to s; update a set v = 'kept'; truncate d; commit;
