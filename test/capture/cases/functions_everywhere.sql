-- Functions that write the table stand in defaults, checks, WHERE, CASE, ORDER BY, LIMIT, VALUES, ON CONFLICT, FROM, subqueries.
create table t (id int primary key, v text, n int);
create function w(i int) returns int language plpgsql as $$ begin update t set v = v || '.' where id = i; if not found then insert into t values (i, 'made', 0); end if; return i; end $$;
create function k(i int) returns bool language plpgsql as $$ begin delete from t where id = i; return true; end $$;
create function m(i int) returns setof int language plpgsql as $$ begin update t set id = id + 100 where id = i; return next i; end $$;
create function s(i int) returns setof t language sql as $$ update t set v = v || 's' where id >= i returning * $$;

--: capture t

alter table t alter n set default w(1000);

insert into t (id, v) values (1, 'a'), (2, 'b'), (3, 'c'); insert into t select i, 'x' from generate_series(4, 9) i;

update t set v = 'u' where w(id % 3 + 1) > 2 and id > 3;

delete from t where k(id + 1) and id in (3, 6);

update t set v = case when id = 4 then (select 'c' || w(5)) else 'e' end where id in (4, 5, 9);

insert into t (id, v, n) values (21, 'v', w(20)), (w(1) + 30, 'y', 0) on conflict (id) do update set v = excluded.v || w(20), id = t.id + 60 where w(4) = 4;

insert into t (id, v, n) values (7, 'v', 0), (8, 'y', w(22)) on conflict (id) do update set v = excluded.v || w(20), id = t.id + 60 where w(4) = 4;

update t set v = 'f', id = t.id + f + 300 from m(4) f where t.id in (5, 65);

delete from t using s(20) x where t.id = x.id + 1 and t.id < 20;

insert into t select id + 5000, v, 0 from t where w(id) > 0 order by w(id) limit 3 returning w(id), k(id), (select count(*) from s(5000));

with a as (select w(1) as x), b as (insert into t select x + 7000, 'cte', w(7000) from a returning id), c as (update t set v = 'c' where id = 1000 returning w(1000)) delete from t where id = (select max(id) from b) or k(21) and id = 5;

alter table t add constraint c check (id <> 11 or w(1) = 1);

insert into t values (11, 'chk', 0); update t set v = 'chk' where id = 11; update t set id = id + 40 where id = 11;

alter table t drop constraint c; create function ix_(i int) returns int language plpgsql as $$ begin if i = 61 then update public.t set v = 'by index' where id = 1; end if; return i; end $$;

create function ix(i int) returns int language plpgsql immutable as $$ begin return public.ix_(i); end $$;

create index t_ix on t (ix(id)); insert into t values (60, 'x', 0), (61, 'y', 0), (62, 'z', 0);
