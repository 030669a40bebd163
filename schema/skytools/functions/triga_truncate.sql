create or replace function skytools.triga_truncate(i_format text, i_when text, i_table oid, i_schema text, i_name text, i_args text[])
returns bigint
language plpgsql volatile
set search_path = pg_catalog, skytools, pg_temp
as $$
-- SKIP cannot drop a TRUNCATE; in a BEFORE trigger it is taken, as upstream does.
declare
    options jsonb;
begin
    perform skytools.triga_refuse('TRUNCATE', i_when, 'STATEMENT', i_schema, i_name, i_args, '');
    options := skytools.triga_options(i_args, 'TRUNCATE');
    perform skytools.triga_refuse('TRUNCATE', i_when, 'STATEMENT', i_schema, i_name, i_args,
                                  concat(case when options ? 'skip' then 's' end, case when options ? 'deny' then 'd' end));
    return pgq.insert_event(
        i_args[array_lower(i_args, 1)],
        case i_format when 'json' then format('{"op":"TRUNCATE","table":[%s,%s],"pkey":[%s]}', to_json(i_schema), to_json(i_name),
                 (select string_agg(to_json(k)::text, ',' order by o) from unnest(skytools.triga_key(i_table, '{}', false)) with ordinality u (k, o)))
             else 'R' end,
        case i_format when 'json' then '{}' else '' end, i_schema || '.' || i_name, null, null, null);
end;
$$;
comment on function skytools.triga_truncate(text, text, oid, text, text, text[]) is
    'What pgq.logutriga, sqltriga and jsontriga do for a TRUNCATE.';
