create or replace function skytools.trigger_remove(i_queue text, i_table regclass)
returns jsonb
language sql volatile
set search_path = pg_catalog, skytools, pg_temp
as $$
-- The row is found by the table's number; it may have been renamed since.
select coalesce((select skytools.capture_remove(c.queue_name, c.table_schema, c.table_name)
                   from skytools.capture c where c.queue_name = i_queue and c.table_oid = i_table),
                jsonb_build_object('removed', false, 'owner_must', '[]'::jsonb));
$$;
comment on function skytools.trigger_remove(text, regclass) is
    'Ends what trigger_install began. Without ownership of the table the triggers stay, with empty functions: owner_must lists what to drop.';
