-- Statement triggers of the user, before and after, of every name, nested three deep.
--: breaks statement first_run
create table t (id serial primary key, n int, v text);
create function s() returns trigger language plpgsql as $$ begin
  if pg_trigger_depth() < 4 then
    update t set n = n + 1, v = tg_name || tg_when where id % 2 = 0 and n < 5;
    insert into t (n, v) values (3, tg_name);
    delete from t where id % 7 = 0;
  end if; return null; end $$;
create trigger "A" after insert or update on t for each statement execute function s();
create trigger zz after update or delete on t for each statement execute function s();
create trigger m before insert on t for each statement execute function s();

--: capture t

insert into t values (1001, 0, 'a'), (1002, 0, 'b');

update t set v = 'outer' where n = 0;

delete from t where id = 1001;
