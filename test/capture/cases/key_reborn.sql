-- A row trigger puts another row under the key that the row has just left.
--: breaks statement key_gone
--: breaks row key_gone
create table t (id int primary key, v text);
create function ghost() returns trigger language plpgsql as $$ begin
  if old.id <> new.id then insert into t values (old.id, 'ghost') on conflict (id) do update set v = t.v || ' again'; end if; return null; end $$;
create trigger "A" after update on t for each row execute function ghost();

--: capture t

insert into t values (1, 'a'), (2, 'b');

update t set id = id + 10;

update t set id = id + 1 where id = 12;
