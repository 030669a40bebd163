-- Row level security of the writer's role does not filter what is captured.
--: breaks statement first_run
--: as admin
drop role if exists capture_writer; create role capture_writer;

create table t (id int primary key, who text, v text); alter table t enable row level security;
create policy p on t for all to capture_writer using (who = current_user or who = 'app') with check (true); grant all on t to capture_writer;
create function f(i int) returns int language plpgsql security definer as $$ begin update t set v = 'f' where id = i; return i; end $$;

--: capture t

insert into t values (1, 'app', 'a'), (2, 'capture_writer', 'b');

--: as admin
set role capture_writer; insert into t values (3, 'app', 'c'), (4, 'capture_writer', 'd');

--: as admin
insert into t values (7, 'app', 'x') returning f(7);

--: as admin
update t set v = 'mine'; delete from t where id = 2;

--: as admin
do $$ begin insert into t values (5, 'app', 'c'), (6, 'capture_writer', 'd'); perform f(5); update t set id = id + 100; end $$;

--: as admin
reset role; drop owned by capture_writer; drop role capture_writer;
