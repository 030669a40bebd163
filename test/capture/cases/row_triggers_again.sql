-- Row triggers, before and after capture's by name, change, delete and re-key the row.
--: breaks statement first_run
--: breaks row open_mark
create table t (id int primary key, n int, v text);
create function again() returns trigger language plpgsql as $$ begin
  if new.n = 1 then update t set n = 2, v = 'inner' where id = new.id; end if;
  if new.n = 9 then delete from t where id = new.id; end if;
  if new.n = 7 then update t set id = id + 1000, n = 0 where id = new.id; end if; return null; end $$;
create trigger "A" after insert or update on t for each row execute function again();
create trigger zz after insert or update on t for each row execute function again();

--: capture t

insert into t values (1, 1, 'outer'), (2, 9, 'outer'), (3, 7, 'outer'), (4, 0, 'outer');

update t set n = 1 where id = 4;

update t set id = 5 where id = 4;

update t set n = 7;

update t set n = 9 where id > 1000;
