create or replace function skytools.triga_columns(i_table oid)
returns table (field int, fields int, num int2, name text, type_oid oid, settings text[])
language sql stable
set search_path = pg_catalog, skytools, pg_temp
set quote_all_identifiers = off
as $$
-- `field` is the column's place in a row's text of `fields`. A virtual generated column
-- has a place, but no value in a trigger. What a REPEATABLE READ writer cannot
-- see is told by capture_columns, which costs more.
select c.field, c.fields, c.num, c.name, c.type_oid,
       case when c.settings is not null then c.settings
            when c.type_oid = any ('{bool,int2,int4,int8,oid,text,varchar,bpchar,"char",name,uuid,numeric,time,inet,cidr,json,jsonb,xml}'::regtype[])
            then '{}' else skytools.capture_settings(c.type_oid, 'urlenc') end
  from (select row_number() over (order by a.num)::int, count(*) over ()::int, a.*
          from (select p.attnum, p.attname::text, p.atttypid, null::text[], p.attgenerated = 'v'
                  from pg_attribute p
                 where p.attrelid = i_table and p.attnum > 0 and not p.attisdropped
                   and (p.attgenerated = 'v' or current_setting('transaction_isolation') like 'read %')
                union all
                select s.num, (parse_ident(s.col, false))[1], s.type_oid, s.settings, false
                  from skytools.capture_columns(i_table, 'urlenc') s
                 where current_setting('transaction_isolation') not like 'read %') a (num, name, type_oid, settings, virtual)
       ) c (field, fields, num, name, type_oid, settings, virtual)
 where not c.virtual
 order by c.num;
$$;
comment on function skytools.triga_columns(oid) is
    'Columns of a table in their order: place in a row''s text and how many there are, number, name, type, settings that reach the text.';
