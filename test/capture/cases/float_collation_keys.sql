-- Keys of floats, of a nondeterministic collation, citext-like domains, composite and named by an index.
--: breaks statement first_run
create collation nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
create table f (k float8 primary key, v text);
create table c (k text collate nocase primary key, v text);
create table n (k numeric, d date, e timestamptz not null default '2020-06-05 00:00+00', v text, primary key (k, d));
create domain code as varchar(10);
create table i (a code not null, b int not null, v text); create unique index i_key on i (b, a) include (v);
create table g (id int primary key generated always as identity, a int, twice int generated always as (a * 2) stored);
create table u (k uuid primary key, r int4range not null unique, arr int[] not null unique, v text);
create function touch() returns trigger language plpgsql as $$ begin if new.v = 'touch' then execute format('update %I set v = $1 where v = $2', tg_relid::regclass) using 'touched', 'touch'; end if; return null; end $$;
create trigger "A" after insert or update on f for each row execute function touch();
create trigger "A" after insert or update on c for each row execute function touch();
create trigger "A" after insert or update on n for each row execute function touch();
create trigger "A" after insert or update on i for each row execute function touch();

--: capture f
--: capture c
--: capture n
--: capture i {"key": "i_key"}
--: capture g
--: capture u {"key": "u_arr_key"}

set timezone = 'Asia/Tokyo';

insert into f values ('NaN', 'touch'), ('-0', 'touch'), ('Infinity', 'x'), (0.1, 'y'), (0.30000000000000004, 'touch'); update f set k = 0 where k = 0; update f set v = 'touch'; update f set k = k + 1; delete from f where k = 'NaN';

insert into c values ('Abc', 'touch'), ('ß', 'x'); update c set k = 'ABC', v = 'touch' where k = 'abc'; insert into c values ('aBc', 'touch') on conflict (k) do update set v = 'touch', k = excluded.k; delete from c where k = 'abc';

insert into n values (1.0, '2020-01-02', default, 'touch'), ('NaN', 'infinity', default, 'touch'), (1, '2020-01-03', default, 'x'); update n set k = 1.00 where k = 1; update n set k = k + 1, d = d - 1 where k = 1; update n set v = 'touch';

insert into i values ('a', 1, 'touch'), ('b', 1, 'touch'), ('a', 2, 'x'); update i set b = b + 10 where b = 2 or a = 'b'; update i set v = 'touch'; delete from i where a = 'a';

insert into g (a) values (1), (2); update g set a = a + 1; insert into g (id, a) overriding system value values (50, 1); delete from g where id = 1;

insert into u values ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '[1,2)', '{1}', 'a'), ('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12', '[2,3)', '{2}', 'b'); update u set arr = arr || 1; do $$ begin update u set v = 'c'; update u set v = 'd', arr = '{7}' where r = '[1,2)'; delete from u where r = '[2,3)'; end $$;
