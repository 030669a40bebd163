-- Prepared statements whose plans are older than changes of the table.
create table t (id int primary key, v text, tags text[]); create table plain (id int primary key, v text);

--: capture t
--: capture plain

prepare i as insert into t (id, v) values ($1, $2); prepare u as update t set v = $2 where id = $1; prepare k as update t set id = id + 100 where id = $1; prepare d as delete from t where id = $1;
prepare pi as insert into plain (id, v) values ($1, $2) on conflict (id) do update set v = excluded.v; prepare pd as delete from plain where id > $1;

execute i(1, 'a'); execute i(2, 'b'); execute i(3, 'c'); execute i(4, 'd'); execute i(5, 'e'); execute i(6, 'f'); execute u(1, 'x'); execute k(2); execute d(3); execute pi(1, 'a'); execute pi(1, 'b'); execute pi(2, 'c');

begin; alter table t add column extra int[] default '{1}'; execute i(10, 'n'); execute u(10, 'm'); alter table t drop column tags; execute k(10); execute d(1); alter table plain alter column v type varchar(50); execute pi(3, 'z'); execute pd(2); alter table plain add column w timestamptz[] default '{2020-06-05 00:00+00}'; execute pi(4, 'w'); savepoint s; alter table plain drop column w; execute pi(5, 'q'); rollback to s; execute pi(6, 'r'); commit;

--: as second
alter table t rename column extra to "Ex tra"; alter table t set schema public; alter table plain rename column v to "new";

execute i(20, 'o'); execute u(20, 'p'); execute k(20); deallocate pi; execute pd(5);

--: as second
alter table plain drop column w; alter table plain add column w text default 'dw';

begin; create table plain2 (like plain including all); drop table plain2; insert into plain (id, "new") values (50, 'n'), (51, 'm'); update plain set id = id + 10; delete from plain where id = 61; commit;
