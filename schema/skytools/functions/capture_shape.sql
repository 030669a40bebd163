create or replace function skytools.capture_shape(i_table oid, i_columns int2[], i_types oid[], i_last int2 default 0)
returns text
language sql immutable
set search_path = pg_catalog, skytools, pg_temp
set quote_all_identifiers = off
as $$
-- IMMUTABLE is meant: the planner folds the call into the plan, and the plan
-- is thrown away whenever the table's definition changes, because the same
-- statement holds the table as a regclass constant. So the check costs a
-- statement nothing and is made anew after every ALTER TABLE.
-- i_last is the last column that was there when the text was generated; texts
-- of before have no such argument.
select pg_identify_object.identity || ':' || coalesce((
           select string_agg(c.part, ',' order by c.num)
             from (select a.attnum as num,
                          case when a.attnum = any (i_columns)
                               then format('%s %s %s', a.attnum, a.atttypid,
                                           (pg_identify_object('pg_class'::regclass, i_table, a.attnum)).identity)
                               when i_columns = '{}' or a.atttypid <> all (i_types) or a.attgenerated = 'v' then '+' || a.attnum end as part
                     from pg_attribute a
                    where a.attrelid = i_table and a.attnum > 0 and not a.attisdropped) c), '')
       || coalesce((select string_agg(',+' || u, '') from skytools.capture_unseen(i_table, greatest(i_last, skytools.capture_last(i_table))) u), '')
  from pg_identify_object('pg_class'::regclass, i_table, 0);
$$;
comment on function skytools.capture_shape(oid, int2[], oid[], int2) is
    'What a generated function relies on: the table''s name, the columns it names, no column of a type it does not know.';
