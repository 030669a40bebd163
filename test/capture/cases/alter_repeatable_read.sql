-- A REPEATABLE READ writer whose snapshot is older than a rename.
create table t (id int primary key, v text, tags text[]); create table other (id int);

--: capture t

insert into t values (1, 'a', '{x}'); do $$ begin insert into t values (2, 'a', '{x}'); update t set v = 'b'; end $$;

begin isolation level repeatable read; select * from other;

--: as second
alter table t rename column tags to labels; alter table t rename column id to ident; alter table t rename to t2;

insert into t2 values (3, 'c', '{y}'); update t2 set v = 'x'; update t2 set ident = ident + 100;

commit;

insert into t2 values (30, 'c', '{y}');
