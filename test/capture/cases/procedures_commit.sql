-- Procedures and DO blocks that commit and roll back inside one message.
create table t (id int primary key, n int, v text);
create function again() returns trigger language plpgsql as $$ begin if new.n = 1 then update t set n = 2, v = 'inner' where id = new.id; end if; return null; end $$;
create trigger "A" after insert or update on t for each row execute function again();
create procedure p() language plpgsql as $$ declare r record; begin
  insert into t values (1, 1, 'a'), (2, 0, 'b'); commit;
  update t set n = 1 where id = 2; rollback;
  update t set v = v || '!'; commit;
  for r in update t set n = 1 returning * loop insert into t values (r.id + 10, 1, 'loop'); delete from t where id = r.id; end loop; commit;
  for r in select * from t loop update t set id = id + 100, n = 1 where id = r.id; commit; end loop;
  begin insert into t values (50, 1, 'x'); insert into t values (50, 1, 'y'); exception when unique_violation then update t set n = 1 where id = 101; end;
  commit; delete from t where id = 102; insert into t values (102, 1, 'back'); end $$;

--: capture t

call p();

do $$ begin delete from t where id > 105; commit; insert into t values (106, 1, 'q'); call p(); commit and chain; update t set n = 1; rollback and chain; update t set v = 'end'; end $$;

truncate t;

call p();
