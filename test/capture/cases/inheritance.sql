-- Of a parent and its heirs each has its own rows, whatever a statement names.
create table parent (id int primary key, v text); create table heir (extra int, primary key (id)) inherits (parent);

--: capture heir {"mode": "row"}

insert into parent values (1, 'p'), (2, 'p'); insert into heir values (1, 'h', 5), (3, 'h', 6);

update parent set v = v || '!'; update only parent set v = 'only'; update parent set id = id + 10; update parent set id = id - 10;

create function inner_heir(int) returns text language plpgsql as $$ begin update heir set v = 'inner' where id = $1; return 'outer'; end $$;

insert into heir values (6, 'h', 1); update parent set v = 'o' where id = 3 returning inner_heir(3);

delete from parent where id = 13; truncate only parent; insert into parent values (4, 'p'); truncate parent; insert into heir values (5, 'h', 1);

alter table heir no inherit parent; update heir set v = 'own'; update parent set v = 'x';
