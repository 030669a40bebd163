-- Row security that is forced upon the owner after the capture: a writer fails rather than lose a change.
--: breaks statement row_security
--: breaks row row_security
create table t (id int primary key, v text); alter table t enable row level security;
create policy p on t using (current_setting('app.hide', true) is distinct from 'yes') with check (true);
create function hide() returns trigger language plpgsql as $$ begin perform set_config('app.hide', 'yes', true); return null; end $$;
create trigger "A" after update on t for each row execute function hide();

--: capture t

insert into t values (1, 'a'), (2, 'b'); update t set v = 'hidden' where id = 2;

do $$ begin
  alter table t force row level security;
  begin
    insert into t values (3, 'c');
    update t set v = 'hidden' where id = 3;
  exception when insufficient_privilege then null;
  end;
  alter table t no force row level security;
end $$;

insert into t values (3, 'c'); update t set v = 'hidden' where id = 3;
