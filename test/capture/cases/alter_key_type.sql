-- The key's type is changed as docs/compatibility.md says, in one transaction.
create table t (id int primary key, v text);

--: capture t

insert into t values (1, 'a'), (2, 'b');

begin; drop trigger if exists _londiste_q_key on t; alter table t alter column id type bigint; select skytools.capture_install('q', 'public', 't', options) from skytools.capture; commit;

insert into t values (10000000000, 'c'); update t set id = id + 100; do $$ begin update t set v = 'd'; update t set id = - id; delete from t where id = -102; end $$;
