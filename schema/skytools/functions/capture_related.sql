create or replace function skytools.capture_related(i_table oid)
returns bool
language sql stable
set search_path = pg_catalog, pg_temp
as $$
-- Only row triggers see all changes here: those of statements fire for the
-- table that a statement names, and their transition tables have its heirs'
-- rows too.
select exists (select from pg_class c where c.oid = i_table and c.relkind = 'p')
    or exists (select from pg_inherits i where i_table in (i.inhrelid, i.inhparent));
$$;
comment on function skytools.capture_related(oid) is
    'Whether statements that name another table may change this one''s rows: it is partitioned, a partition, a parent or an heir.';
