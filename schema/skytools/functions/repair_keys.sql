create or replace function skytools.repair_keys(i_capture skytools.capture, i_table oid, i_keys jsonb)
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- The table's columns with the keys' values, the others NULL. A domain counts as
-- the type below it: its checks would run with the rights of this code's owner,
-- and are another's. One inside of another type is checked with that one's input.
-- A jsonb value comes as its text, which a record would take for a string of it.
declare
    listed text;
    read text;
    checked text;
begin
    with recursive base (num, col, oid, key) as (
        select c.num, c.col, c.type_oid, c.num = any (i_capture.key_numbers)
          from skytools.capture_columns(i_table, i_capture.format) c
        union all
        select b.num, b.col, t.typbasetype, b.key
          from base b join pg_type t on t.oid = b.oid
         where t.typtype = 'd'
    ), types as (
        select b.num, b.col, b.key, b.oid = 'jsonb'::regtype as json, format_type(b.oid, -1) as name, b.oid
          from base b join pg_type t on t.oid = b.oid
         where t.typtype <> 'd'
    ), inner_types (num, oid) as (
        select t.num, t.oid from types t where t.key
        union
        select i.num, p.oid
          from inner_types i
          join pg_type o on o.oid = i.oid
         cross join lateral (
               select o.typelem as oid where o.typelem <> 0
               union all
               select r.rngsubtype from pg_range r where o.oid in (r.rngtypid, (to_jsonb(r) ->> 'rngmultitypid')::oid) -- 13 has no multiranges
               union all
               select a.atttypid from pg_attribute a where a.attrelid = o.typrelid and a.attnum > 0 and not a.attisdropped) p
    )
    select string_agg(case when not t.key then 'null::' || t.name when t.json then format('skytools_j.%s::pg_catalog.jsonb', t.col)
                           else 'skytools_j.' || t.col end || ' as ' || t.col, ', ' order by t.num),
           string_agg(t.col || ' ' || case when t.json then 'pg_catalog.text' else t.name end, ', ' order by t.num) filter (where t.key),
           (select string_agg(distinct d.oid::regtype::text, ', ') from inner_types d join pg_type y on y.oid = d.oid where y.typtype = 'd')
      into listed, read, checked
      from types t;
    if checked is not null then
        raise exception 'rows of table %.% cannot be told again one by one: domain % lies inside of its key',
            quote_ident(i_capture.table_schema), quote_ident(i_capture.table_name), checked
            using errcode = 'feature_not_supported', hint = 'londiste INI subscriber resync copies the rows anew';
    end if;
    return format('(select %s from pg_catalog.jsonb_to_recordset(%L::pg_catalog.jsonb) skytools_j (%s)) skytools_k', listed, i_keys, read);
end;
$$;
comment on function skytools.repair_keys(skytools.capture, oid, jsonb) is
    'Subquery that gives keys, objects of text by column, as rows of a table whose other columns are NULL.';
