-- Deferred constraint triggers that write at the commit, and again there.
create table t (id int primary key, n int, v text);
create function d() returns trigger language plpgsql as $$ begin
  if new.n < 3 then update t set n = new.n + 1, v = v || tg_name where id in (new.id, new.id + 1); end if; return null; end $$;
create constraint trigger "A" after insert or update on t deferrable initially deferred for each row execute function d();
create constraint trigger zz after insert or update on t for each row execute function d();

--: capture t

insert into t values (1, 0, 'a'), (2, 1, 'b'), (3, 9, 'c');

begin;

update t set n = 0 where id = 2;

insert into t values (4, 2, 'd');

set constraints all immediate;

update t set v = 'x' where id = 4;

commit;
