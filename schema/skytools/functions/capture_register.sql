create or replace function skytools.capture_register(i_capture skytools.capture)
returns skytools.capture
language plpgsql volatile
set search_path = pg_catalog, skytools, pg_temp
as $$
-- Triggers that a removal without ownership has left behind call functions of
-- a number: the table is registered under that number again.
declare
    c skytools.capture := i_capture;
    left_over int;
begin
    select substring(p.proname from '^capture_(\d+)_')::int into left_over
      from pg_trigger g join pg_proc p on p.oid = g.tgfoid and p.pronamespace = 'skytools'::regnamespace
     where g.tgrelid = c.table_oid and p.proname ~ '^capture_\d+_'
       and g.tgname in (select skytools.capture_trigger_name(c.queue_name, k)
                          from unnest('{ins,upd,del,key,truncate,row,open,leaf,nokey,skip,deny}'::text[]) k)
       and not exists (select from skytools.capture o
                        where p.proname like 'capture\_' || o.capture_id || '\_%')
     limit 1;
    insert into skytools.capture (capture_id, queue_name, table_oid, table_schema, table_name, mode, format,
                                  key_columns, key_numbers, key_operators, key_index, key_deferrable, options,
                                  fingerprint)
         values (coalesce(left_over, nextval('skytools.capture_capture_id_seq')::int), c.queue_name, c.table_oid,
                 c.table_schema, c.table_name, c.mode, c.format, c.key_columns, c.key_numbers, c.key_operators,
                 c.key_index, c.key_deferrable, c.options, '')
    on conflict (queue_name, table_schema, table_name) do update
            set table_oid = excluded.table_oid, mode = excluded.mode, format = excluded.format,
                key_columns = excluded.key_columns, key_numbers = excluded.key_numbers,
                key_operators = excluded.key_operators, key_index = excluded.key_index,
                key_deferrable = excluded.key_deferrable,
                options = excluded.options, installed_at = now()
      returning * into c;
    return c;
end;
$$;
comment on function skytools.capture_register(skytools.capture) is 'Writes the row of a captured table and gives it its number.';
