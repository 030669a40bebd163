-- A table without a key: the old row goes, the new one comes, of equal ones one.
create table t (a int, b text, j json, p point, f float8);
create table parted (a int, b text) partition by list (a); create table parted_1 partition of parted for values in (1); create table parted_2 partition of parted default;

--: capture t {"mode": "row", "full": true}
--: capture parted {"mode": "row", "full": true}

insert into t values (1, 'x', '{"a" : 1}', '(1,2)', 0.1), (1, 'x', '{"a" : 1}', '(1,2)', 0.1), (1, 'x', '{"a" : 1}', '(1,2)', 0.1), (null, null, null, null, '-0'), (null, null, null, null, 'NaN');

set extra_float_digits = -10; delete from t where ctid = (select min(ctid) from t); update t set b = 'y' where ctid = (select min(ctid) from t); reset extra_float_digits;

update t set f = f + 1; update t set a = a; delete from t where f = 'NaN';

insert into parted values (1, 'x'), (1, 'x'), (2, 'y'); insert into parted_1 values (1, 'x'); update parted set a = a + 1; update parted set a = 1 where ctid = (select min(ctid) from parted_2);

truncate parted_2; insert into parted values (3, 'z'); create table parted_3 (b text, a int); alter table parted attach partition parted_3 for values in (4); insert into parted values (4, 'four'); update parted_3 set b = 'f';

create function changes() returns trigger language plpgsql as $$ begin update t set b = b || '!' where a = new.a and b not like '%!'; return null; end $$;
create trigger "Changes" after insert on t for each row execute function changes();

insert into t (a, b) values (5, 'x'), (5, 'x'), (6, 'z');

create function within() returns int language plpgsql as $$ begin delete from t where ctid = (select ctid from t where a = 5 limit 1); insert into t (a, b) values (7, 'w!'); return 8; end $$;

insert into t (a, b) select within(), 'v!' from generate_series(1, 2); update t set a = within() where a = 6;

begin; delete from t where a = 8; savepoint s; truncate t; insert into t (a) values (1); rollback to s; update t set b = null; commit;

drop trigger "Changes" on t; alter table t add column more int[] default '{1,NULL}'; update t set a = 9 where a = 7; alter table t rename column b to c; insert into t (a, c) values (10, 'c'); delete from t where a = 9;

begin isolation level repeatable read; select from t limit 1;

--: as second
insert into t (a, c) values (11, 'second');

insert into t (a, c) values (11, 'second'); update t set a = 12 where a = 11; delete from t where a = 10;

commit;

truncate t, parted; insert into t (a) values (1); insert into parted values (1, 'a');
