-- Objects of the same names stand first on the writer's path and in pg_temp: none of them runs.
--: breaks statement qualified
--: breaks row qualified
create table t (id int primary key, v text, tags text[], r int4range, f float8, c varchar(10));
create table trap (id serial primary key, what text);
create schema evil;
create function evil.now() returns timestamptz language sql as $$ select null::timestamptz $$;
create function evil.row_to_json(record) returns json language plpgsql as $$ begin insert into public.trap (what) values ('row_to_json'); return '{}'; end $$;
create function evil.caught(anyelement, anyelement) returns bool language plpgsql as $$ begin insert into public.trap (what) values ('op ' || pg_typeof($1)); return false; end $$;
create function evil.caught_int(int, int) returns bool language plpgsql as $$ begin insert into public.trap (what) values ('int op'); return false; end $$;
create function evil.caught_bool(bool) returns bool language plpgsql as $$ begin insert into public.trap (what) values ('not'); return false; end $$;
create function evil.caught_text(text, text) returns text language plpgsql as $$ begin insert into public.trap (what) values ('||'); return ''; end $$;
create operator evil.= (leftarg = int, rightarg = int, function = evil.caught_int);
create operator evil.<> (leftarg = int, rightarg = int, function = evil.caught_int);
create operator evil.< (leftarg = int, rightarg = int, function = evil.caught_int);
create operator evil.> (leftarg = int, rightarg = int, function = evil.caught_int);
create function evil.caught_tt(text, text) returns bool language plpgsql as $$ begin insert into public.trap (what) values ('text op'); return false; end $$;
create operator evil.= (leftarg = text, rightarg = text, function = evil.caught_tt);
create operator evil.<> (leftarg = text, rightarg = text, function = evil.caught_tt);
create operator evil.|| (leftarg = text, rightarg = text, function = evil.caught_text);
create function evil.current_setting(text, bool) returns text language sql as $$ insert into public.trap (what) values ('current_setting') returning 'x' $$;
create function evil.set_config(text, text, bool) returns text language sql as $$ insert into public.trap (what) values ('set_config') returning 'x' $$;
create function evil.concat(variadic text[]) returns text language sql as $$ insert into public.trap (what) values ('concat') returning 'x' $$;
create domain evil.text as varchar(1);
create domain evil.int4 as bool;
create table evil.queue (queue_id int);
create table evil.event_1_0 (ev_id int);

--: capture t
--: capture trap

set search_path = evil, pg_catalog, public;

create temp table queue (queue_id int); create temp table t_shadow (id int); create temp table pg_attribute (x int); create temp table pg_type (x int); create temp table new_tx (id int); create function pg_temp.now() returns timestamptz language sql as $$ select null::timestamptz $$; create domain pg_temp.text as varchar(2); create domain pg_temp.int8 as bool; create domain pg_temp.regclass as bool;

insert into public.t values (1, 'a', '{x}', '[1,3)', 0.1, 'c'), (2, 'b', null, null, null, null);

set search_path = pg_temp, evil, pg_catalog, public;

update public.t set v = 'changed', id = id OPERATOR(pg_catalog.+) 10;

do $$ begin insert into public.t values (10, 'x'); update public.t set v = 'y'; update public.t set id = id OPERATOR(pg_catalog.+) 10; delete from public.t where id OPERATOR(pg_catalog.=) 20; truncate public.t; end $$;

insert into public.t values (5, 'z');

do $$ begin if exists (select from public.trap) then raise exception 'ran: %', (select pg_catalog.string_agg(what, ',') from public.trap); end if; end $$;
