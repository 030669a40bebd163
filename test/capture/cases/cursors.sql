-- Cursors: WHERE CURRENT OF, and functions that write while one is fetched from over several messages.
create table t (id int primary key, v text);
create function touch(i int) returns int language plpgsql as $$ begin update t set v = v || '.' where id = i; insert into t values (i + 100, 'made') on conflict (id) do update set v = t.v || '+'; return i; end $$;
create function walk() returns void language plpgsql as $$ declare c cursor for select * from t order by id for update; begin
  for r in c loop
    if r.id % 3 = 0 then delete from t where current of c; elsif r.id % 3 = 1 then update t set v = 'w' where current of c; else update t set id = id + 1000 where current of c; end if;
  end loop; end $$;

--: capture t

insert into t select i, 'v' from generate_series(1, 9) i;

begin; declare c cursor for select touch(id) from t where id < 50 order by id; declare d cursor for select * from t for update;

fetch 2 from c; fetch 1 from d;

update t set v = 'current' where current of d; fetch 3 from c;

delete from t where current of d; fetch 1 from d; update t set id = 77 where current of d;

fetch all from c;

commit;

select walk();

do $$ declare r record; begin for r in with u as (update t set v = v || '1' returning id) select id, touch(id) from u loop delete from t where id = r.id; end loop; end $$;
