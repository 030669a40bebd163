-- Two rows stand under one deferrable key for a while, one of them leaves.
--: breaks statement key_twins
--: breaks row key_twins
create table t (id int primary key deferrable initially deferred, v text);

--: capture t

insert into t values (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e'), (6, 'f'), (7, 'g'), (8, 'h'), (9, 'i');

begin; update t set id = 2 where v = 'a';

delete from t where v = 'b';

commit;

begin;

update t set id = 4 where v = 'c';

update t set v = v || '!';

update t set id = 3 where v = 'd!';

commit;

begin;

insert into t values (5, 'guest');

delete from t where v = 'guest';

insert into t values (5, 'guest');

update t set id = 50 where v = 'guest';

commit;

do $$ begin update t set v = v || '?'; update t set id = 7 where v = 'f!?'; update t set id = 6 where v = 'g!?'; insert into t values (9, 'new'); delete from t where v = 'i!?'; insert into t values (8, 'x'); delete from t where v = 'x'; end $$;

with d as (delete from t where id = 9 returning *) insert into t select id, v || '+' from d;

begin; insert into t values (8, 'late'); update t set v = 'touched' where id = 8; delete from t where id = 8; insert into t values (8, 'end'); commit;
