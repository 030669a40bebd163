-- Writers come through views, INSTEAD OF triggers and rules.
create table t (id int primary key, v text); create table log (id serial primary key, v text);
create view simple as select * from t where id < 1000;
create view odd as select id, v as w from t;
create function instead() returns trigger language plpgsql as $$ begin
  if tg_op = 'INSERT' then update t set v = new.w || v where id = new.id; if not found then insert into t values (new.id, new.w); end if;
  elsif tg_op = 'UPDATE' then update t set id = new.id, v = new.w where id = old.id; update t set v = v || '!' where id = new.id;
  else delete from t where id = old.id; end if; return coalesce(new, old); end $$;
create trigger i instead of insert or update or delete on odd for each row execute function instead();
create rule also_insert as on insert to t where new.id < 100 do also insert into log (v) values (new.v);
create table shadow (id int primary key, v text);
create rule also_update as on update to shadow do also update t set v = new.v where id = new.id;
create rule also_delete as on delete to shadow do instead (delete from t where id = old.id; insert into t values (old.id, 'again'); update t set v = v || '!' where id = old.id);
create rule soft as on delete to simple do instead (update t set v = 'deleted' where id = old.id; delete from t where id = old.id and old.v <> 'soft');

--: capture t
--: capture log

insert into simple values (1, 'a'), (2, 'b'), (3, 'soft');

insert into odd values (1, 'x'), (4, 'y'), (4, 'z');

update odd set id = id + 10, w = 'u';

update simple set v = 'soft' where id in (11, 12); delete from simple;

insert into shadow select * from t; update shadow set v = v || 's'; delete from shadow where id > 11;

delete from odd where id = 11; insert into simple select id + 50, v from t; delete from log where id = 1;
