-- Many rows, INSERT from a query, statements without rows, many statements in one message.
create table t (id int primary key, v text); create table src as select i as id, 'v' || i as v from generate_series(1, 5000) i;

--: capture t

insert into t select * from src; update t set v = 'none' where false; delete from t where false; insert into t select 1, 'x' where false;

update t set v = v || '!' where id % 2 = 0; update t set v = v || '?' where id % 3 = 0; delete from t where id % 5 = 0;

update t set id = id + 10000 where id % 7 = 0;

do $$ begin for i in 1 .. 200 loop insert into t values (-i, 'loop'); update t set v = v || i where id in (-i, -i + 1); delete from t where id = -i + 3; end loop; end $$;
