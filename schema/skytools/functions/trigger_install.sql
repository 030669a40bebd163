create or replace function skytools.trigger_install(
    i_queue text, i_table regclass, i_format text default 'json', i_options jsonb default '{}')
returns jsonb
language plpgsql volatile
as $$
-- No SET clause: expressions are looked up where the caller finds their names,
-- and that path is kept. Everything here is qualified.
declare
    options pg_catalog.jsonb := skytools.trigger_options(i_table, coalesce(i_options, '{}') OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('format', i_format));
    name pg_catalog.text;
    t pg_catalog.record;
begin
    select n.nspname, c.relname, pg_catalog.format('%I.%I', n.nspname, c.relname) as called into strict t
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid OPERATOR(pg_catalog.=) c.relnamespace
     where c.oid OPERATOR(pg_catalog.=) i_table;
    foreach name in array '{when,ev_type,ev_data,ev_extra1,ev_extra2,ev_extra3,ev_extra4}'::pg_catalog.text[] loop
        if options OPERATOR(pg_catalog.?) name then
            -- An error in it shall be the installer's, not the writer's.
            execute pg_catalog.format(E'explain select %s from (select * from only %s) skytools_row',
                                      pg_catalog.format(case when name OPERATOR(pg_catalog.=) 'when' then E'case when %s\n then 1 end' else E'(%s\n)' end, options OPERATOR(pg_catalog.->>) name), t.called);
            options := options OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('search_path',
                pg_catalog.array_append(pg_catalog.current_schemas(false), 'pg_temp'::pg_catalog.name));
        end if;
    end loop;
    return skytools.capture_install(i_queue, t.nspname, t.relname, options);
end;
$$;
comment on function skytools.trigger_install(text, regclass, text, jsonb) is
    'Makes the fast form of PgQ''s triggers for one table: static functions that put its changes into a queue. Format: json, urlenc, sql. Options: SKIP, ignore, pkey, backup, deny, when, ev_type, ev_data, ev_extra1 to ev_extra4, key (a unique index), mode. Run again it replaces what is there.';
