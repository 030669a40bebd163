-- A key of two columns, each moved by a cascade of its own in one command: a
-- row passes through a key that it leaves before any statement trigger runs.
--: breaks statement key_mark
create table a (id int primary key);
create table b (id int primary key);
create table t (a int references a on update cascade on delete cascade, b int references b on update cascade on delete cascade, v text, primary key (a, b));
insert into a values (1), (2); insert into b values (1), (2);

--: capture t

insert into t values (1, 1, 'x'), (2, 1, 'y');

with x as (update a set id = id + 10) update b set id = id + 10;

with x as (delete from a where id = 11) update b set id = 5 where id = 11;
