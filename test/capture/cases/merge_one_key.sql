-- MERGE deletes and inserts one key in one statement.
--: needs 15
create table t (id int primary key, ver int, v text);

--: needs 15
--: capture t

--: needs 15
insert into t values (1, 1, 'old'), (2, 1, 'keep');

--: needs 15
merge into t using (values (1, 1, 'x'), (1, 2, 'new')) s (id, ver, v) on t.id = s.id and t.ver = s.ver
  when matched then delete when not matched then insert values (s.id, s.ver, s.v);

--: needs 15
merge into t using (values (1, 'a'), (2, 'b'), (3, 'c')) s (id, v) on t.id = s.id
  when matched and s.id = 1 then delete when matched then update set v = s.v when not matched then insert values (s.id, 0, s.v);

--: needs 15
merge into t using (values (2), (3)) s (id) on t.id = s.id
  when matched then update set id = t.id + 100, v = 'moved';

--: needs 17
merge into t using (values (103, 'r'), (9, 'n')) s (id, v) on t.id = s.id
  when matched then update set v = s.v when not matched then insert values (s.id, 1, s.v)
  when not matched by source then delete returning merge_action(), t.*;
