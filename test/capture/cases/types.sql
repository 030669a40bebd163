-- Every type, written by sessions with settings of their own, decodes to what it was.
--: breaks statement pin
--: breaks row pin
--: breaks statement special
create type mood as enum ('sad', 'ok', 'very happy');
create type pair as (x float8, y interval, z date);
create domain posint as int check (value > 0);
create domain moment as timestamptz;
create domain pairs as pair[];
create domain doc as jsonb;
create type floats as range (subtype = float8);
create table t (id int primary key, b bool, i2 int2, i8 int8, n numeric, n2 numeric(10,2), f4 float4, f8 float8, mo money,
  c char(5), vc varchar(10), tx text, nm name, ch "char", by bytea, ts timestamp, tz timestamptz, d date, ti time, tt timetz, iv interval,
  u uuid, j json, jb jsonb, x xml, ip inet, ci cidr, ma macaddr, bi bit(3), vb varbit(9), tv tsvector, tq tsquery, p point, bx box, ln pg_lsn,
  ia int[], ta text[], fa float8[], da date[], tza timestamptz[], bya bytea[], iva interval[], ca pair[], co pair, r int4range, tr tstzrange, fr floats, dp posint, dm moment, dps pairs, dj doc, en mood, ena mood[], rc regclass, rt regtype, ro regproc);

--: capture t

insert into t values (1, true, -32768, 9223372036854775807, 'NaN', 123.40, 'NaN', '-Infinity', 1234.5, 'ab', 'x', E'q"\\\n\u00e4\t\x01', 'name', 'c', '\x0001ff', '294276-12-31 23:59:59.999999', '2020-06-05 00:00:00+00', '0044-03-15 BC', '24:00', '12:00:00-08', '1 year -2 days 03:04:05.6',
  'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"b":1, "a": null, "b":2}', '{"b":1,"a":1.50}', '<a>x</a>', '10.0.0.1', '10.0.0.0/8', '08:00:2b:01:02:03', '101', '10101', 'a:1 b', 'a & b', '(0.1,1e-300)', '(1,1),(0,0.30000000000000004)', '16/B374D848',
  '{1,null,3}', '{"a,b",null,"NULL",""}', '{0.1,0.30000000000000004,NaN}', '{2020-06-05,infinity}', '{"2020-06-05 00:00+00"}', '{"\\x00ff"}', '{"1 day","-3 hours"}', '{"(0.1,1 day,2020-06-05)"}', '(0.30000000000000004,-1 mon,2020-06-05)', '[1,10)', '[2020-06-05 00:00+00,)', '[0.1,0.30000000000000004]', 5, '2020-06-05 00:00+00', '{"(0.2,1 day,2020-06-05)"}', 'null', 'very happy', '{sad,"very happy"}', 't', 'mood', 'now');

insert into t (id, f4, f8, j, jb, dj, ia, co, d, ts, tz, n, c, tx) values (2, '-0', '-0', 'null', 'null', null, '{}', row(null, null, null), 'infinity', '-infinity', 'infinity', '1e-500', '', ''), (3, 1e-45, 4.9e-324, null, null, '{"a":[1,2]}', '[2:3]={1,2}', null, '5874897-12-31', '4713-01-01 BC', '294276-12-31 23:59:59.999999+00', 0.30000000000000000000001, ' x', ' ');

set datestyle = 'SQL, DMY'; set intervalstyle = 'sql_standard'; set extra_float_digits = -15; set bytea_output = 'escape'; set timezone = 'Asia/Kathmandu'; set quote_all_identifiers = on; set xmlbinary = hex; set search_path = pg_catalog, public;

insert into public.t select id + 10, b, i2, i8, n, n2, f4, f8, mo, c, vc, tx, nm, ch, by, ts, tz, d, ti, tt, iv, u, j, jb, x, ip, ci, ma, bi, vb, tv, tq, p, bx, ln, ia, ta, fa, da, tza, bya, iva, ca, co, r, tr, fr, dp, dm, dps, dj, en, ena, rc, rt, ro from public.t;

set intervalstyle = 'iso_8601'; set datestyle = 'German'; set timezone = 'America/St_Johns'; set search_path = public;

update t set id = id + 100;

update t set tx = 'changed', f8 = f8 where id > 110;

delete from t where id in (101, 111);

do $$ begin update t set tx = 'one'; update t set tx = 'two'; delete from t where id = 112; end $$;
