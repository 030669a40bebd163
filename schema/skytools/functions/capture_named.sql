create or replace function skytools.capture_named(i_table oid)
returns text
language sql stable
set search_path = pg_catalog, pg_temp
set quote_all_identifiers = off
as $$
-- A partitioned table has its rows in its partitions; one with heirs has rows
-- of its own, and only those are told under its name.
select case when exists (select from pg_class c where c.oid = i_table and c.relkind = 'p') then '' else 'only ' end || t.identity
  from pg_identify_object('pg_class'::regclass, i_table, 0) t;
$$;
comment on function skytools.capture_named(oid) is 'A captured table as a query names it: with ONLY, unless it is partitioned.';
