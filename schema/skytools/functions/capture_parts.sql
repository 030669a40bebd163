create or replace function skytools.capture_parts(i_table oid)
returns table (oid oid, kind text, called text)
language sql stable
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
select c.oid, c.relkind::text, (select identity from pg_identify_object('pg_class'::regclass, c.oid, 0))
  from pg_partition_tree(i_table::regclass) p join pg_class c on c.oid = p.relid
 where p.relid <> i_table
 order by 3;
$$;
comment on function skytools.capture_parts(oid) is 'Partitions of a table, at every level below it.';
