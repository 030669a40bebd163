-- Savepoints rolled back in the middle, by the writer and by exception blocks.
--: breaks statement first_run
create table t (id int primary key, v text);

create or replace function maybe(i int) returns int language plpgsql as $$ declare x int; begin
  begin
    update t set v = 'lost' where id = i; delete from t where id = i + 1; x := 1 / 0;
  exception when others then update t set v = 'kept' where id = i; end; return i; end $$;

--: capture t

insert into t values (1, 'a'), (2, 'b'), (3, 'c');

begin; savepoint s; update t set v = 'gone'; delete from t where id = 3; rollback to s; update t set v = 'stays' where id = 1; commit;

begin;

savepoint a;

insert into t values (4, 'd');

savepoint b;

delete from t;

rollback to b;

update t set id = id + 10;

release a;

savepoint c;

truncate t;

rollback to c;

commit;

insert into t values (1, 'n'), (2, 'n') returning maybe(id);

do $$ begin
  update t set v = '1';
  begin update t set v = '2'; insert into t values (99, 'z'); raise exception 'x'; exception when raise_exception then null; end;
  update t set id = id + 1000 where id < 5;
end $$;
