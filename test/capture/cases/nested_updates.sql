-- Updates inside updates, in whatever language and by whatever way, and beside
-- deletes and inserts: what the outer one tells is older.
--: breaks statement first_run
create table t (id int primary key, n int, v text);
create function f_sql(i int, x text) returns text language sql as $$ update t set v = x where id = i; select x $$;
create function f_pl(i int, x text) returns text language plpgsql as $$ begin update t set v = x where id = i; return x; end $$;
create function f_exec(i int, x text) returns text language plpgsql as $$ begin execute 'update t set v = $2 where id = $1' using i, x; return x; end $$;
create function f_cursor(i int, x text) returns refcursor language plpgsql as $$
  declare c refcursor := 'c' || i;
  begin open c for execute format('update t set v = %L where id = %s returning id', x, i); return c; end $$;
create function f_upsert(i int, x text) returns text language sql as $$ insert into t values (i, 0, x) on conflict (id) do update set v = excluded.v; select x $$;

--: capture t

insert into t select i, i, 'v' || i from generate_series(1, 20) i;

update t set v = 'o', n = n + length(f_sql(id - 1, 'n' || id)) where id <= 5;

update t set v = 'o', n = n + length(f_pl(id - 1, 'n' || id)) where id <= 5;

update t set v = 'o', n = n + length(f_exec(id - 1, 'n' || id)) where id <= 5;

update t set v = 'o', n = n + length(f_upsert(id - 1, 'n' || id)) where id between 2 and 5;

-- A cursor of the server's own: no line of context tells that it is enclosed.
update t set v = 'o' where id between 1 and 2
  and case when id = 2 then cursor_to_xml(f_cursor(1, 'by cursor'), 1, false, false, '') is not null else true end;

update t set v = 'p' where id <= 5 returning f_sql(id - 1, 'r' || id);

with u as (update t set v = f_pl(id - 1, 'w') where id <= 5 returning id) select * from u;

with u as (update t set v = 'u' where id < 4 returning id), d as (delete from t where id between 4 and 6 returning id), i as (insert into t select id - 3, 0, 'i' from d where false) select * from u;

with d as (delete from t where id = 7 returning *), u as (update t set v = 'u' where id = 8) insert into t select id, n, 'again' from d;

with d as (delete from t where id = 7 returning *), i as (insert into t select id, n, 'again 2' from d) update t set v = 'u2' where id = 8;

insert into t values (8, 8, 'x'), (30, 30, 'x') on conflict (id) do update set v = 'upsert';

insert into t values (8, 8, 'x'), (31, 31, 'x') on conflict (id) do update set v = f_sql(30, 'from upsert');

update t set v = 'a' where id = 9; update t set v = 'b' where id = 9; delete from t where id = 9; insert into t values (9, 9, 'c'); update t set v = 'd' where id = 9;

do $$ begin update t set v = 'a' where id = 9; update t set v = 'b' where id = 9; delete from t where id = 9; insert into t values (9, 9, 'c'); update t set v = 'd' where id = 9; end $$;

prepare u as update t set v = f_pl(id - 1, 'prepared') where id in ($1, $1 + 1);

execute u(12); execute u(13);

explain (analyze, costs off, timing off, summary off) update t set v = f_pl(id - 1, 'explained') where id in (12, 13, 14);

create function a_row() returns trigger language plpgsql as $$ begin
  if new.v = 'row' then update t set v = 'by trigger' where id = new.id; end if; return null; end $$;
create trigger "_a" after update on t for each row execute function a_row();
create trigger "zz" after update on t for each row execute function a_row();

update t set v = 'row' where id in (15, 16);

begin; savepoint s; update t set v = 'row' where id = 15; rollback to s; update t set v = 'x' where id = 15; commit;

create table p (k int primary key);
create table c (id int primary key, a int references p on delete cascade on update cascade, b int references p on delete set null on update set null, n int);
create table e (id int primary key, b int references p on delete set null on update set null, a int references p on delete cascade on update cascade, n int);

--: capture c

--: capture e

insert into p select generate_series(1, 9);
insert into c select i, 1 + i % 9, 1 + (i * 2) % 9, 0 from generate_series(1, 27) i; insert into e select id, b, a, n from c;

delete from p where k in (1, 2);

delete from p where k = 3;

update p set k = k + 10 where k in (4, 5, 6);

with u as (update c set n = 1), d as (delete from e where id % 2 = 0) delete from p where k in (7, 14);

with u as (update c set n = 2 where id < 20), d as (delete from c where id >= 20), v as (update e set n = 2) update p set k = k + 10;
