-- A partition captured by itself, while statements name what it is a part of.
create table whole (id int, k text, v text, primary key (id, k)) partition by list (k);
create table t (v text, k text not null, id int not null, primary key (id, k)); alter table whole attach partition t for values in ('t');
create table rest partition of whole default;

--: capture t {"mode": "row"}

insert into whole values (1, 't', 'x'), (1, 'r', 'x'); insert into t (id, k, v) values (2, 't', 'y');

update whole set v = 'z'; update whole set k = 't', id = id + 10 where k = 'r'; update whole set k = 'q' where id = 2;

create function inner_leaf(int) returns text language plpgsql as $$ begin update t set v = 'inner' where id = $1; return 'outer'; end $$;

insert into whole values (20, 't', 'x') returning inner_leaf(20);

update whole set v = 'o' where id = 20 returning inner_leaf(20);

delete from whole where id = 11; insert into whole values (20, 't', 'x') on conflict (id, k) do update set v = 'conflict';

truncate whole; insert into whole values (1, 't', 'x'), (1, 'r', 'x'); truncate t; insert into whole values (3, 't', 'x');

alter table whole detach partition t; insert into t values ('x', 'any', 7); update t set v = 'y';
