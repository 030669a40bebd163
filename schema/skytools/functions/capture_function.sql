create or replace function skytools.capture_function(i_capture skytools.capture, i_table oid, i_kind text, i_listed bool)
returns void
language plpgsql volatile
set search_path = pg_catalog, skytools, pg_temp
as $$
-- Settings are pinned by SET clauses, which cost each statement some
-- microseconds: only those that a column of this table needs.
declare
    name text := format('skytools.capture_%s_%s', i_capture.capture_id, i_kind);
    sets text := '';
    setting text;
begin
    if i_kind <> 'open' then
        for setting in
            select distinct s from skytools.capture_columns(i_table, i_capture.format) c, unnest(c.settings) s
             where not (s = 'search_path' and i_capture.options ? 'search_path') and not skytools.capture_lacks(i_capture, 'pin') order by s
        loop
            sets := sets || format(' set %s = %s', setting,
                case setting when 'search_path' then skytools.capture_pinned(setting)
                             else quote_literal(skytools.capture_pinned(setting)) end);
        end loop;
        if (i_kind = 'leaf' or (select c.relrowsecurity from pg_class c where c.oid = i_table)) and not skytools.capture_lacks(i_capture, 'row_security') then
            sets := sets || ' set row_security = off';
        end if;
        -- Expressions run with the installer's rights: their names are looked
        -- for where the installer found them.
        if i_capture.options ? 'search_path' then
            sets := sets || ' set search_path = ' || (select string_agg(quote_ident(n), ', ' order by o)
                from jsonb_array_elements_text(i_capture.options -> 'search_path') with ordinality p (n, o));
        end if;
    end if;
    execute format('create or replace function %s() returns trigger language plpgsql security definer%s as %L',
                   name, sets, skytools.capture_body(i_capture, i_table, i_kind, i_listed));
    execute format('revoke all on function %s() from public', name);
    execute format('comment on function %s() is %L', name,
                   format('Capture of %I.%I to queue %s.', i_capture.table_schema, i_capture.table_name, i_capture.queue_name));
end;
$$;
comment on function skytools.capture_function(skytools.capture, oid, text, bool) is 'Makes or replaces one generated capture function.';
