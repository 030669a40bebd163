-- The url-encoded format under nested triggers and odd bytes.
--: breaks statement first_run
create table t (id int, "k y" char(4), v text, b bool, w text, primary key (id, "k y"));
create function again() returns trigger language plpgsql as $$ begin if new.v = 'again' then update t set v = 'inner & =%+ é' where id = new.id; end if; return null; end $$;
create trigger "A" after insert or update on t for each row execute function again();

--: capture t {"format": "urlenc"}

insert into t values (1, 'ab', 'again', true, null), (2, 'c d', E'a&b=c d/+%~.-_\n\u20ac', false, ''), (3, '', null, null, 'x');

update t set id = id + 1; update t set v = 'again' where b; delete from t where not b; truncate t; insert into t values (1, 'x');

drop trigger "A" on t; alter table t rename column v to vv; alter table t add column extra int[] default '{1,2}';

insert into t values (2, 'y', 'new', null, null, '{3}');
