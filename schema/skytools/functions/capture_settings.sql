create or replace function skytools.capture_settings(i_type oid, i_format text)
returns text[]
language sql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- Walks through domains, arrays, ranges and composites. `raw` is true while
-- row_to_json itself writes the value: dates are ISO there whatever the writer
-- has set; inside an array, range or composite, and in url-encoded data, they
-- are what the type's output function makes of DateStyle and TimeZone.
-- PostgreSQL 13 has no multiranges, and no column to ask for them.
with recursive part (type_oid, raw) as (
    select i_type, i_format = 'json'
    union
    select u.type_oid, p.raw and t.typtype = 'd'
      from part p
      join pg_type t on t.oid = p.type_oid
      cross join lateral (
        select t.typbasetype where t.typtype = 'd'
        union all
        select t.typelem where t.typelem <> 0
        union all
        select r.rngsubtype from pg_range r
         where t.oid in (r.rngtypid, (to_jsonb(r) ->> 'rngmultitypid')::oid)
        union all
        select a.atttypid from pg_attribute a
         where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
      ) u (type_oid)
), setting (name) as (
    select unnest(case
        when t.typtype not in ('b', 'p') or t.typcategory = 'A' then '{}'
        when t.typname in ('float4', 'float8', 'point', 'lseg', 'path', 'box', 'polygon', 'line', 'circle')
            and t.typnamespace = 'pg_catalog'::regnamespace then '{extra_float_digits}'
        when t.oid = 'interval'::regtype then '{IntervalStyle}'
        when t.oid = 'bytea'::regtype then '{bytea_output}'
        when t.oid = 'money'::regtype then '{lc_monetary}'
        when t.oid = 'date'::regtype and not p.raw then '{DateStyle}'
        when t.oid = 'timestamp'::regtype and not p.raw then '{DateStyle}'
        when t.oid = 'timestamptz'::regtype and not p.raw then '{DateStyle,TimeZone}'
        when t.typname like 'reg%' and t.typnamespace = 'pg_catalog'::regnamespace then '{search_path}'
        when t.typnamespace = 'pg_catalog'::regnamespace then '{}'
        when t.typname in ('citext', 'hstore', 'ltree') then '{}'
        else '{extra_float_digits,IntervalStyle,bytea_output,lc_monetary,DateStyle,TimeZone}'
    end::text[])
      from part p join pg_type t on t.oid = p.type_oid
)
select case when i_type is null then '{extra_float_digits,IntervalStyle,bytea_output,lc_monetary,DateStyle,TimeZone,search_path}'
            else coalesce(array_agg(distinct s.name order by s.name), '{}') end
  from setting s;
$$;
comment on function skytools.capture_settings(oid, text) is
    'Names of the session settings that reach the text of a value of this type, written in this event format; NULL is a type not known.';
