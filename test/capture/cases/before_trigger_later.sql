-- A BEFORE trigger that changes keys, made when the capture stands: no list of
-- columns tells. A repeatable read writer cannot even see it. Two cascades change
-- one row twice in one statement.
--: breaks statement unlisted
create table t (id int primary key, n int, v text);
create function b() returns trigger language plpgsql as $$ begin
  if new.v = 'move' then new.id := new.id + 100; end if;
  if new.v = 'swap' then new.id := case new.id when 7 then 8 when 8 then 7 else new.id end; end if;
  return new; end $$;
create table other (id int);

--: capture t

insert into t select i, i, 'v' || i from generate_series(1, 20) i;

update t set v = v || '+' where id < 5;

update t set id = id + 1000 where id = 20;

create trigger b before update on t for each row execute function b();

update t set v = 'move' where id in (1, 2);

update t set v = 'stay' where id = 3;

update t set v = 'move', id = id + 1 where id in (3, 102);

insert into t values (19, 4, 'x'), (5, 5, 'x'), (21, 21, 'x') on conflict (id) do update set v = 'move';

do $$ begin update t set v = 'once' where id = 6; update t set v = 'move' where id = 6; update t set v = 'again'; end $$;

alter table t disable trigger b; update t set v = 'plain' where id = 9; alter table t enable trigger b;

update t set v = 'move' where id = 9;

drop trigger b on t;

update t set v = 'still' where id in (10, 11);

begin isolation level repeatable read; select * from other;

--: as second
create trigger b before update on t for each row execute function b();

update t set v = 'move' where id = 10; update t set n = 0, id = id + 500 where id in (12, 13); update t set n = 1, id = id where id = 14;

commit;

update t set v = 'move' where id = 11;

begin isolation level serializable; update t set id = -id where id = 15; update t set v = 'move' where id = -15; delete from t where id = 16; commit;

create table p (k int primary key); create table c (id int primary key, a int references p on update cascade, b int references p on update cascade);

--: capture c

create function k() returns trigger language plpgsql as $$ begin new.id := new.a * 1000 + new.b; return new; end $$;
create trigger k before update on c for each row execute function k();
insert into p values (1), (3); insert into c values (1001, 1, 1), (1003, 1, 3);

update p set k = 2 where k = 1;


begin isolation level repeatable read; select * from other;

update p set k = 4 where k = 2;

update c set a = 4, b = 4 where id = 4004;

update c set a = a, b = b; commit;

create table m ("K1" text collate "C" not null, k1 numeric not null, n int, primary key ("K1", k1));
create function s() returns trigger language plpgsql as $$ begin
  if new.n = 1 then new.k1 := 3 - new.k1; end if; if new.n = 2 then new."K1" := lower(new."K1"); end if; return new; end $$;

--: capture m

insert into m values ('A', 1, 0), ('A', 2, 0), ('B', 1.0, 0), ('B', 3, 0); update m set n = 5;

create trigger s before update on m for each row execute function s();

alter table m drop constraint m_pkey, add primary key ("K1", k1) deferrable initially immediate;

update m set n = 1 where "K1" = 'A'; update m set n = 2; update m set n = 3, k1 = k1 + 0.0; update m set n = 4, k1 = k1 * 2;
