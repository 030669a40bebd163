-- Keys shifted and swapped under a deferrable key.
create table t (id int primary key deferrable initially deferred, v text);

--: capture t

insert into t values (1, 'a'), (2, 'b'), (3, 'c');

update t set id = 3 - id where id < 3;

update t set id = id + 1;

update t set id = id - 1;

begin;

update t set id = 50 where id = 2;

update t set id = 2 where id = 3;

update t set id = 3 where id = 50;

commit;

update t set id = -id;
