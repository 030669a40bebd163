-- Tables and columns with every kind of name, among them the names that generated text uses.
create schema "Sche.ma ""x""";
create table "Sche.ma ""x"""."Tab.le ä ""q""" ("select" int, "I d" text, "ünïcödé" text, "a.b" int, "qu""ote" int, "back\slash" text, primary key ("select", "I d"));
create table "new" ("old" int primary key, "new" text, n text, x text, k text, c text, "order" text);
create table old (id int primary key, skytools_n text, skytools_c text, skytools_d text, s text, data text, cur text, closed text, mark text, message text, again text, intact text, q text, new_t text, old_t text);
create table new_t (id int primary key, new_t text, tags text[]);
create table long_ääääääääääääääääääääääääääää (column_ääääääääääääääääääääääääääääää int primary key, v text);
create table only_key (id int primary key);
create table specials ("new" int primary key, skytools_n int[], skytools_c jsonb, skytools_d int4range, s int[], data jsonb, "old" json, "Ta gs" text[]);

--: capture "Sche.ma ""x"""."Tab.le ä ""q"""
--: capture "new"
--: capture old
--: capture new_t
--: capture long_ääääääääääääääääääääääääääää
--: capture only_key
--: capture specials

insert into "Sche.ma ""x"""."Tab.le ä ""q""" values (1, 'x y', 'ä', 1, 2, 'b\s"q'''), (2, '', null, 1, 2, E'tab\there\nline');

insert into "new" values (1, 'n', 'n', 'x', 'k', 'c', 'o'); update "new" set "old" = 2; update "new" set n = 'z' where "old" = 2;

insert into old values (1, 'a', 'b'); update old set skytools_n = 'z', id = 3; update old set closed = 'yes'; delete from old where id = 3;

insert into new_t values (1, 'a', '{x}'); update new_t set id = 2, new_t = 'old_t'; insert into old values (4, 'z');

insert into long_ääääääääääääääääääääääääääää values (1, 'a'); update long_ääääääääääääääääääääääääääää set column_ääääääääääääääääääääääääääääää = 2; truncate long_ääääääääääääääääääääääääääää;

insert into only_key select generate_series(1, 3); update only_key set id = id + 10; delete from only_key where id = 11;

insert into specials values (1, '{1}', '{"a":null}', '[1,5)', '{}', 'null', 'null', '{"a b","c,d",null}'); update specials set "new" = 5; update specials set data = null; insert into specials values (6);

update "Sche.ma ""x"""."Tab.le ä ""q""" set "select" = "select" + 10; delete from "Sche.ma ""x"""."Tab.le ä ""q""" where "I d" = '';
