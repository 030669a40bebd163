-- ON CONFLICT DO UPDATE whose functions write the table, with other unique keys.
--: breaks statement first_run
--: breaks row open_mark
create table t (id int primary key, u int unique, v text);
create function poke(i int) returns text language plpgsql as $$ begin
  update t set v = 'poked' where id = i; insert into t values (i + 500, i + 500, 'made') on conflict (id) do update set v = t.v || '.'; return 'p'; end $$;

--: capture t

insert into t values (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c');

insert into t values (1, 9, 'x'), (4, 4, 'y') on conflict (id) do update set v = poke(2);

insert into t values (9, 3, 'x') on conflict (u) do update set id = excluded.id, v = poke(1);

insert into t values (20, 20, poke(20)) returning poke(id);
