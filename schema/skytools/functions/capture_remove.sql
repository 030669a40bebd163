create or replace function skytools.capture_remove(i_queue text, i_schema text, i_table text)
returns jsonb
language plpgsql volatile
set search_path = pg_catalog, skytools, pg_temp
set lock_timeout = '1500ms' -- as capture_install
as $$
-- The table is found by its number: it may have been renamed, or dropped.
declare
    c skytools.capture;
    todo text[];
begin
    select * into c from skytools.capture
     where queue_name = i_queue and table_schema = i_schema and table_name = i_table
       for update;
    if not found then
        return jsonb_build_object('removed', false, 'owner_must', '[]'::jsonb);
    end if;
    todo := skytools.capture_clear(c.capture_id, c.table_oid, '{}');
    delete from skytools.capture where capture_id = c.capture_id;
    perform skytools.queue_table_clear();
    return jsonb_build_object('removed', true, 'owner_must', todo);
end;
$$;
comment on function skytools.capture_remove(text, text, text) is
    'Ends the capture of a table. Without ownership of it the triggers stay, with empty functions: owner_must lists what to drop.';
