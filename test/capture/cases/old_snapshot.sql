-- A REPEATABLE READ writer takes keys that its old snapshot still shows with rows of others, since gone.
create table t (id int primary key, v text);
create function again() returns trigger language plpgsql as $$ begin if new.v = 'again' then update t set v = 'inner' where v = 'again'; end if; return null; end $$;
create trigger "A" after insert or update on t for each row execute function again();
create table other (id int);

--: capture t

insert into t select i, 'theirs' from generate_series(1, 9) i;

begin isolation level repeatable read; select * from other;

--: as second
delete from t where id in (1, 2, 3, 4); update t set id = id + 100 where id in (5, 6, 7);

insert into t values (1, 'again');

do $$ begin insert into t values (2, 'mine'); update t set v = 'mine too' where v = 'mine'; end $$;

do $$ begin insert into t values (3, 'brief'); delete from t where v = 'brief'; insert into t values (5, 'brief'); delete from t where v = 'brief'; end $$;

do $$ begin insert into t values (6, 'moves'); update t set id = 50 where v = 'moves'; insert into t values (7, 'stays'); update t set v = 'stayed' where v = 'stays'; end $$;

commit;
