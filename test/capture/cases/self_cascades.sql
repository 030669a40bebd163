-- Foreign keys of a table to itself, cascading and setting null.
create table t (id int primary key, p int references t on update cascade on delete set null, q int references t on update cascade on delete cascade);

--: capture t

insert into t values (1, null, null), (2, 1, null), (3, 2, 1), (4, 1, 3);

update t set id = id + 10;

delete from t where id = 11;
