create or replace function skytools.trigger_install(
    i_queue text, i_table regclass, i_format text default 'json', i_options jsonb default '{}')
returns jsonb
language plpgsql volatile
as $$
-- No SET clause: expressions are looked up where the caller finds their names,
-- and that path is kept. Everything here is qualified.
declare
    options pg_catalog.jsonb := coalesce(i_options, '{}') OPERATOR(pg_catalog.||) pg_catalog.jsonb_build_object('format', i_format);
    name pg_catalog.text;
    t pg_catalog.record;
begin
    select n.nspname, c.relname, pg_catalog.format('%I.%I', n.nspname, c.relname) as called into strict t
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid OPERATOR(pg_catalog.=) c.relnamespace
     where c.oid OPERATOR(pg_catalog.=) i_table;
    if options OPERATOR(pg_catalog.?|) '{SKIP,deny,pkey,upstream}' then
        raise exception 'SKIP, deny, pkey and upstream are arguments of generic triggers' using errcode = 'invalid_parameter_value',
            hint = pg_catalog.format('create trigger … on %s … execute function pgq.logutriga(%L, …); for a key, name its unique index: "key".', t.called, i_queue);
    end if;
    if pg_catalog.jsonb_typeof(options OPERATOR(pg_catalog.->) 'ignore') OPERATOR(pg_catalog.=) 'string' then
        options := pg_catalog.jsonb_set(options, '{ignore}', pg_catalog.to_jsonb(
            pg_catalog.regexp_split_to_array(options OPERATOR(pg_catalog.->>) 'ignore', ' *, *')));
    end if;
    if options OPERATOR(pg_catalog.->) 'backup' OPERATOR(pg_catalog.=) 'false' then
        options := options OPERATOR(pg_catalog.-) 'backup';
    end if;
    if (options OPERATOR(pg_catalog.?|) '{ignore,backup}' or i_format OPERATOR(pg_catalog.=) 'sql') and not options OPERATOR(pg_catalog.?) 'mode' then
        options := options OPERATOR(pg_catalog.||) '{"mode": "row"}';
    end if;
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
    'Makes the fast form of PgQ''s triggers for one table: static functions that put its changes into a queue. Format: json, urlenc, sql. Options: ignore, backup, when, ev_type, ev_data, ev_extra1 to ev_extra4, key (a unique index), mode. Run again it replaces what is there.';
