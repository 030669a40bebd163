-- ON CONFLICT changes the key of a row, and the statement then uses the old key anew.
create table t (id int primary key, v text);

--: capture t

insert into t values (1, 'a');

insert into t values (1, 'b'), (1, 'c') on conflict (id) do update set id = t.id + 100;

insert into t values (1, 'd'), (5, 'e') on conflict (id) do update set v = excluded.v || t.v;

insert into t values (1, 'd'), (6, 'e') on conflict do nothing;
