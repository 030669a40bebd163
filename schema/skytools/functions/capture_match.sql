create or replace function skytools.capture_match(i_capture skytools.capture, i_table oid, i_left text, i_right text)
returns text
language sql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- NULL when a key column is gone: then nothing can be looked up by key. Columns
-- that no index compares are compared as events show them.
select case when count(c.col) <> cardinality(i_capture.key_numbers) then null
            when i_capture.key_index = '' then
           format('row(%s)::pg_catalog.text OPERATOR(pg_catalog.=) row(%s)::pg_catalog.text',
                  string_agg(i_left || '.' || c.col, ', ' order by k.ord), string_agg(i_right || '.' || c.col, ', ' order by k.ord))
            else
           string_agg(format('%s.%s %s %s.%s%s', i_left, c.col, split_part(k.op, '|', 1), i_right, c.col,
                             case when split_part(k.op, '|', 2) <> '' then ' ' || split_part(k.op, '|', 2) end),
                      ' and ' order by k.ord)
       end
  from unnest(i_capture.key_numbers, i_capture.key_operators) with ordinality k (num, op, ord)
  left join skytools.capture_columns(i_table, i_capture.format) c on c.num = k.num;
$$;
comment on function skytools.capture_match(skytools.capture, oid, text, text) is
    'Condition that two row aliases have one key, by the operators of the key''s index.';
