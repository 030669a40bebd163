-- Keys of many types, moved and told anew by triggers.
create type mood as enum ('sad', 'ok', 'glad'); create domain code as text check (value <> ''); create type pair as (a int, b text);
create table k_bytea (k bytea primary key, v text); create table k_enum (k mood primary key, v text); create table k_domain (k code primary key, v text); create table k_pair (k pair primary key, v text);
create table k_char (k "char" primary key, v text); create table k_bpchar (k char(5) primary key, v text); create table k_name (k name primary key, v text); create table k_num (k numeric primary key, v text);
create table k_tz (k timestamptz primary key, v text); create table k_iv (k interval primary key, v text); create table k_range (k tstzrange primary key, v text); create table k_arr (k float8[] primary key, v text); create table k_inet (k inet primary key, v text); create table k_bool (k bool primary key, v text); create table k_time (k timetz primary key, v text); create table k_jsonb (k jsonb primary key, v text);
create function again() returns trigger language plpgsql as $$ begin if new.v = 'x' then execute format('update %I set v = $1 where v = $2', tg_table_name) using 'y', 'x'; end if; return null; end $$;
do $$ declare t text; begin for t in select relname from pg_class where relname ~ '^k_' and relkind = 'r' loop execute format('create trigger "A" after insert or update on %I for each row execute function again()', t); end loop; end $$;

--: capture k_bytea
--: capture k_enum
--: capture k_domain
--: capture k_pair
--: capture k_char
--: capture k_bpchar
--: capture k_name
--: capture k_num
--: capture k_tz
--: capture k_iv
--: capture k_range
--: capture k_arr
--: capture k_inet
--: capture k_bool
--: capture k_time
--: capture k_jsonb

insert into k_bytea values ('\x00', 'x'), ('\xff27', 'x'); insert into k_enum values ('sad', 'x'), ('ok', 'z'); insert into k_domain values ('a', 'x'), ('a ', 'x'); insert into k_pair values ('(1,a)', 'x'), ('(1,"a,b")', 'x'); insert into k_char values ('a', 'x'), ('', 'x'), ('''', 'x'); insert into k_bpchar values ('a', 'x'), ('b  ', 'x'); insert into k_name values ('a', 'x'), ('A b', 'x'); insert into k_num values (1.0, 'x'), ('NaN', 'x'), (1e-30, 'x');

insert into k_tz values ('infinity', 'x'), ('2020-06-05 00:00+00', 'x'), ('0044-03-15 BC', 'x'); insert into k_iv values ('1 day', 'x'), ('-1 mon', 'x'); insert into k_range values ('[2020-06-05 00:00+00,)', 'x'), ('empty', 'x'); insert into k_arr values ('{0.1,NaN}', 'x'), ('{}', 'x'); insert into k_inet values ('10.0.0.1/8', 'x'), ('::1', 'x'); insert into k_bool values (true, 'x'), (false, 'x'); insert into k_time values ('12:00+02', 'x'), ('10:00+00', 'x'); insert into k_jsonb values ('null', 'x'), ('{"a":1.0}', 'x');

set datestyle = 'SQL, DMY'; set timezone = 'Asia/Kathmandu'; set intervalstyle = 'iso_8601'; set bytea_output = 'escape'; set extra_float_digits = -10;

update k_bytea set k = k || '\x01', v = 'x'; update k_enum set k = 'glad', v = 'x' where k = 'ok'; update k_domain set k = k || '-', v = 'x'; update k_pair set k = row((k).a + 1, (k).b)::pair, v = 'x'; update k_char set k = 'b', v = 'x' where k = 'a'; update k_bpchar set k = 'c', v = 'x' where k = 'a'; update k_num set k = 1.00, v = 'x' where k = 1; update k_num set k = k + 1, v = 'x';

update k_tz set k = k - interval '1 day', v = 'x'; update k_iv set k = '24:00', v = 'x' where k = '1 day'; update k_iv set k = k * 2; update k_range set k = tstzrange(lower(k), now()), v = 'x'; update k_arr set k = k || 0.3::float8, v = 'x'; update k_inet set k = k + 1, v = 'x'; update k_bool set v = 'x' where k; update k_time set k = k + interval '1 h', v = 'x'; update k_jsonb set k = '{"a":1.00}' where k <> 'null'; update k_jsonb set k = jsonb_build_array(k), v = 'x';

do $$ declare t text; begin for t in select relname from pg_class where relname ~ '^k_' and relkind = 'r' loop execute format('update %I set v = ''x''; delete from %1$I where ctid = (select min(ctid) from %1$I); insert into %1$I select * from (select * from %1$I limit 1) s on conflict do nothing; update %1$I set v = v', t); end loop; end $$;
