-- The parent's own rows are told, its heirs' are not.
create table t (id int primary key, v text); create table heir (extra int, primary key (id)) inherits (t);

--: capture t {"mode": "row"}

insert into t values (1, 'p'), (2, 'p'); insert into heir values (1, 'h'), (3, 'h');

update t set v = v || '!'; delete from t where id = 2;

truncate only t; insert into t values (4, 'p');
