create or replace function skytools.capture_kin(i_queue text, i_table oid)
returns text
language sql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- An heir's rows are its own, a partition's are the partitioned table's too.
select format('%I.%I', c.table_schema, c.table_name)
  from skytools.capture c
 where c.queue_name = i_queue and c.table_oid <> i_table
   and (c.table_oid in (select p.oid from skytools.capture_parts(i_table) p)
     or i_table in (select p.oid from skytools.capture_parts((select t.oid from pg_class t where t.oid = c.table_oid)) p))
 order by 1 limit 1;
$$;
comment on function skytools.capture_kin(text, oid) is
    'A table of the queue that has a table''s rows as well: its partition, or what it is a partition of.';
