-- The table's owner changes it between statements, in the same sessions: no writer fails, no row is lost.
--: breaks statement shape
--: breaks row shape
create table t (id int primary key, v text, tags text[], doc jsonb, f float8);
create table plain (id int primary key, v text);

--: capture t
--: capture plain

insert into t values (1, 'a', '{x}', 'null', 0.1); insert into plain values (1, 'a'), (2, 'b');

do $$ begin insert into t values (2, 'b'); update t set v = 'c'; update t set id = id + 10; delete from t where id = 12; end $$;

alter table t rename column tags to labels; alter table plain rename column v to w;

insert into t values (3, 'c', '{y}'); update t set labels = '{z}'; insert into plain values (3, 'c');

do $$ begin insert into t values (4, 'd'); update t set v = 'e'; update t set id = id + 100; delete from t where id = 104; end $$;

alter table t rename column id to ident; alter table plain rename column id to key;

update t set ident = ident + 1, v = 'renamed key'; delete from t where ident = 104; update plain set key = key + 5; update plain set w = 'w'; delete from plain where key = 6;

do $$ begin insert into t values (5, 'd'); update t set v = 'e'; update t set ident = ident + 100; delete from t where ident = 205; update plain set key = key + 7; update plain set w = 'q'; end $$;

alter table t drop column doc; alter table t add column doc2 jsonb default '{"a":1}'; alter table plain add column arr int[] default '{1,2}'; alter table plain add column iv interval default '1 day';

set intervalstyle = 'sql_standard'; set extra_float_digits = -10;

insert into t values (6, 'f', '{q}', 0.30000000000000004, 'null'); update t set doc2 = '[1]'; insert into plain values (20, 'x', '{3}', '-1 day 3 hours'); update plain set w = 'many';

do $$ begin if current_setting('intervalstyle') <> 'sql_standard' or current_setting('extra_float_digits') <> '-10' then raise exception 'the writer lost its settings'; end if; end $$;

alter table t alter column v type int[] using array[1]; alter table t alter column f type numeric; alter table plain alter column w type json using to_json(w);

insert into t values (7, '{1,2}', null, 1.5); update t set v = '{7}'; update plain set w = 'null' where key < 20;

begin; alter table plain rename to plain2; insert into plain2 values (30); create table plain (id int primary key); insert into plain values (1); update plain2 set arr = null; update plain2 set arr = '{9}'; commit;

create schema moved; alter table plain2 set schema moved; insert into moved.plain2 values (31); do $$ begin delete from moved.plain2 where key < 10; delete from moved.plain2 where key = 30; insert into moved.plain2 values (30); end $$;
