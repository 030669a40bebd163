create or replace function skytools.capture_columns(i_table oid, i_format text)
returns table (num int2, col text, type_oid oid, special text, settings text[])
language sql stable
set search_path = pg_catalog, skytools, pg_temp
set quote_all_identifiers = off
as $$
-- Names come from the server's cache (pg_identify_object), not from this
-- snapshot: a REPEATABLE READ writer must see a rename that is younger than it.
-- special = 'text' for a type of the server, whose cast to text nobody but a
-- superuser can replace; 'output' for other types, written by their output
-- function alone, so that no cast or function of a table's owner runs here.
-- A virtual generated column has no value in a trigger; it is left out.
-- Every name is quoted: BY and LOOP are plain names in SQL, not in PL/pgSQL.
select a.attnum, n.col, a.atttypid,
       case when i_format = 'urlenc' then 'output'
            when not s.special then null
            when b.oid < 16384 then 'text'
            else 'output' end,
       skytools.capture_settings(a.atttypid, i_format)
  from pg_attribute a
 cross join lateral (select (pg_identify_object('pg_class'::regclass, i_table, 0)).identity) t (name)
 cross join lateral (select substr((pg_identify_object('pg_class'::regclass, i_table, a.attnum)).identity,
                                   length(t.name) + 2)) i (part)
 cross join lateral (select case when i.part like '"%' then i.part else '"' || i.part || '"' end) n (col)
 cross join lateral (
    with recursive d (oid, typtype, typbasetype) as (
        select y.oid, y.typtype, y.typbasetype from pg_type y where y.oid = a.atttypid
        union all
        select y.oid, y.typtype, y.typbasetype from d join pg_type y on y.oid = d.typbasetype where d.typtype = 'd'
    )
    select d.oid from d where d.typtype <> 'd'
 ) base (oid)
  join pg_type b on b.oid = base.oid
 cross join lateral (select
       b.oid in ('json'::regtype, 'jsonb'::regtype)
    or b.typtype in ('c', 'r', 'm') or b.typcategory = 'A'
    or (b.oid >= 16384 and exists (select from pg_cast c where c.castsource = b.oid and c.casttarget = 'json'::regtype))
 ) s (special)
 where a.attrelid = i_table and a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v' and n.col is not null
 order by a.attnum;
$$;
comment on function skytools.capture_columns(oid, text) is
    'Columns of a table as capture writes them: number, quoted name, type, how it is cast to text, settings to pin.';
