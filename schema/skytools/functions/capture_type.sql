create or replace function skytools.capture_type(i_capture skytools.capture, i_table oid, i_op text)
returns text
language sql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- Upstream takes no pkey for TRUNCATE.
select case i_capture.format
    when 'sql' then case when i_op = 'TRUNCATE' then 'R' else left(i_op, 1) end
    when 'urlenc' then
        case when i_op = 'TRUNCATE' then 'R' else left(i_op, 1) || ':' || coalesce(array_to_string(k.names, ','), '') end
    else
        format('{"op":"%s","table":[%s,%s],"pkey":[%s]%s}', i_op,
               to_json(i_capture.table_schema), to_json(i_capture.table_name),
               (select string_agg(to_json(n)::text, ',' order by o) from unnest(k.names) with ordinality u (n, o)),
               case when i_capture.options ? 'full' then ',"identity":"full"' end)
    end
  from (select case when i_op = 'TRUNCATE' and i_capture.options ? 'pkey' then skytools.triga_key(i_table, '{}', false)
                    else array_agg(coalesce(a.attname::text, n.name) order by n.ord) end as names
          from unnest(i_capture.key_columns, i_capture.key_numbers) with ordinality n (name, num, ord)
          left join pg_attribute a on a.attrelid = i_table and a.attnum = n.num and not a.attisdropped) k;
$$;
comment on function skytools.capture_type(skytools.capture, oid, text) is
    'Text of ev_type for one operation: jsontriga''s object logutriga''s letter and key, or sqltriga''s letter.';
