create or replace function skytools.capture_pin(i_capture_id int, i_table oid)
returns text[]
language plpgsql volatile
as $$
-- No SET clause here: it would undo this function's own work at its end.
declare
    name pg_catalog.text; saved pg_catalog.text[] := '{}';
begin
    for name in
        select distinct s.n from skytools.capture k,
               skytools.capture_columns(i_table, k.format) c, pg_catalog.unnest(c.settings) s (n)
         where k.capture_id OPERATOR(pg_catalog.=) i_capture_id
    loop
        saved := pg_catalog.array_append(pg_catalog.array_append(saved, name), pg_catalog.current_setting(name));
        perform pg_catalog.set_config(name, skytools.capture_pinned(name), true);
    end loop;
    return saved;
end;
$$;
comment on function skytools.capture_pin(int, oid) is
    'Sets the settings that a changed table needs, for the statement built now; returns names and old values.';
