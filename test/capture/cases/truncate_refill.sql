-- AFTER TRUNCATE triggers of every name refill the table.
--: breaks statement truncate_refill
--: breaks row truncate_refill
create table t (id int primary key, v text);
create function refill() returns trigger language plpgsql as $$ begin insert into t values (tg_argv[0]::int, 'sentinel'); return null; end $$;
create trigger "A" after truncate on t for each statement execute function refill(0);
create trigger zz after truncate on t for each statement execute function refill('-1');
create trigger before_it before truncate on t for each statement execute function refill('-2');

--: capture t

insert into t values (1, 'a');

truncate t;

insert into t values (2, 'b');

truncate t; truncate t;

do $$ begin insert into t values (3, 'c'); truncate t; insert into t values (4, 'd'); truncate t; end $$;
