create or replace function skytools.capture_columns(i_table oid, i_format text)
returns table (num int2, col text, type_oid oid, special text, settings text[])
language sql stable
set search_path = pg_catalog, skytools, pg_temp
set quote_all_identifiers = off
as $$
-- Names come from the server's cache (pg_identify_object), not from this
-- snapshot: a REPEATABLE READ writer must see a rename that is younger than it,
-- and that a column is gone.
-- special = 'text' for a type of the server, whose cast to text nobody but a
-- superuser can replace, 'jsonb' for the one that its output function writes
-- with less work than a cast; 'output' for other types, written by their output
-- function alone, so that no cast or function of a table's owner runs here.
-- A virtual generated column has no value in a trigger; it is left out.
-- A column younger than the snapshot is written by its output function too,
-- with all settings pinned: nothing else is known of it.
-- Every name is quoted: BY and LOOP are plain names in SQL, not in PL/pgSQL.
select a.num, n.col, a.type_oid,
       case when i_format <> 'json' or a.type_oid is null then 'output'
            when not s.special then null
            when a.type_oid = 'jsonb'::regtype then 'jsonb'
            when b.oid < 16384 then 'text'
            else 'output' end,
       skytools.capture_settings(a.type_oid, i_format)
  from (select p.attnum as num, p.atttypid as type_oid
          from pg_attribute p
         where p.attrelid = i_table and p.attnum > 0 and not p.attisdropped and p.attgenerated <> 'v'
        union all
        select u, null from skytools.capture_unseen(i_table, skytools.capture_last(i_table)) u) a
 cross join lateral (select (pg_identify_object('pg_class'::regclass, i_table, 0)).identity) t (name)
 cross join lateral (select substr((pg_identify_object('pg_class'::regclass, i_table, a.num)).identity,
                                   length(t.name) + 2)) i (part)
 cross join lateral (select case when i.part like '"%' then i.part else '"' || i.part || '"' end) n (col)
  left join lateral (
    with recursive d (oid, typtype, typbasetype) as (
        select y.oid, y.typtype, y.typbasetype from pg_type y where y.oid = a.type_oid
        union all
        select y.oid, y.typtype, y.typbasetype from d join pg_type y on y.oid = d.typbasetype where d.typtype = 'd'
    )
    select d.oid from d where d.typtype <> 'd'
 ) base (oid) on true
  left join pg_type b on b.oid = base.oid
 cross join lateral (select
       b.oid in ('json'::regtype, 'jsonb'::regtype)
    or b.typtype in ('c', 'r', 'm') or b.typcategory = 'A'
    or (b.oid >= 16384 and exists (select from pg_cast c where c.castsource = b.oid and c.casttarget = 'json'::regtype))
 ) s (special)
 where n.col !~ '^"\.{8}pg\.dropped\.\d+\.{8}"$'
 order by a.num;
$$;
comment on function skytools.capture_columns(oid, text) is
    'Columns of a table as capture writes them: number, quoted name, type, how it is cast to text, settings to pin.';
