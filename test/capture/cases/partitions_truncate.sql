-- TRUNCATE of a partition alone takes its rows and no others; of all it is one.
create table t (id int, k text, v text, primary key (id, k)) partition by list (k);
create table t_a partition of t for values in ('a');
create table t_b (v text, k text not null, id int not null, primary key (id, k)); alter table t attach partition t_b for values in ('b');
create table t_c partition of t for values in ('c', 'd') partition by range (id);
create table t_c1 partition of t_c for values from (0) to (100);
create table t_c2 partition of t_c default;

--: capture t {"mode": "row"}

insert into t select i, chr(97 + i % 4), 'x' from generate_series(1, 200) i;

truncate t_a;

insert into t_a values (1, 'a', 'again'); truncate t_b, t_a;

begin; insert into t_a values (1, 'a', 'in'); truncate t_a; insert into t_a values (1, 'a', 'after'); commit;

insert into t select i, 'b', 'x' from generate_series(1, 9) i; truncate t_c;

insert into t select i, chr(97 + i % 4), 'x' from generate_series(1, 200) i on conflict do nothing; truncate only t_c1;

begin; truncate t_c2; savepoint s; truncate t; rollback to s; truncate t_a; commit;

-- The mark of a TRUNCATE of all is gone when it is over.

insert into t select i, chr(97 + i % 4), 'x' from generate_series(1, 20) i on conflict do nothing;

do $$ begin truncate t; insert into t values (1, 'a', 'x'), (1, 'b', 'y'); truncate t_a; end $$;

begin; truncate t; insert into t values (1, 'a', 'x'), (1, 'b', 'y'); truncate t_b; commit;

create function refill() returns trigger language plpgsql as $$ begin insert into t values (77, 'a', 'refilled'); return null; end $$;
create trigger refill after truncate on t_a execute function refill();

truncate t_a; truncate t; insert into t values (5, 'b', 'b'); truncate t_b, t_a;

drop trigger refill on t_a;

-- An old snapshot does not show all rows that go.

begin isolation level repeatable read; select from t limit 1;

--: as second
insert into t values (500, 'a', 'unseen');

--: error 0A000
truncate t_a;

rollback;

-- A partition that is none any more is nobody's.

insert into t values (600, 'd', 'last');

create table t_d partition of t for values in ('z'); alter table t detach partition t_d; truncate t_d;
