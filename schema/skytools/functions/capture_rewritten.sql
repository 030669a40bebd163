create or replace function skytools.capture_rewritten(i_table oid)
returns bool
language sql stable
set search_path = pg_catalog, pg_temp
as $$
-- A REPEATABLE READ writer's snapshot shows the old types of columns; a type
-- that is written in another way than before comes with another file.
select coalesce((select c.relfilenode from pg_class c where c.oid = i_table) <> pg_relation_filenode(i_table), true);
$$;
comment on function skytools.capture_rewritten(oid) is
    'Whether a table has been written anew since the statement''s snapshot.';
