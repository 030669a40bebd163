create or replace function skytools.capture_sql(i_capture skytools.capture, i_table oid, i_op text, i_row text)
returns text
language sql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- An UPDATE names the columns that have changed where the old row is at hand,
-- else all but the key's; the key's first one where nothing has changed.
select case i_op
       when 'INSERT' then format('%L OPERATOR(pg_catalog.||) pg_catalog.concat_ws('','', %s) OPERATOR(pg_catalog.||) '')''',
                                 '(' || coalesce(s.names, '') || ') values (', coalesce(s.texts, ''''''))
       when 'DELETE' then s.place
       else format('coalesce(nullif(pg_catalog.concat_ws('','', %s), ''''), %s) OPERATOR(pg_catalog.||) '' where '' OPERATOR(pg_catalog.||) %s',
                   coalesce(s.sets, ''''''), s.key_set, s.place) end
  from (select string_agg(quote_ident(c.name), ',' order by c.num) filter (where shown),
               string_agg(v.text, ', ' order by c.num) filter (where shown),
               string_agg(format(case when i_row = 'new' then 'case when %2$s OPERATOR(pg_catalog.<>) %3$s then %1$L OPERATOR(pg_catalog.||) %2$s end'
                                      else '%1$L OPERATOR(pg_catalog.||) %2$s' end, quote_ident(c.name) || '=', v.text, v.old), ', ' order by c.num) filter (where shown and not is_key),
               (array_agg(format('%L OPERATOR(pg_catalog.||) %s', quote_ident(c.name) || '=', v.key) order by c.num) filter (where is_key))[1],
               string_agg(format('%L OPERATOR(pg_catalog.||) %s', case when c.first then '' else ' and ' end || quote_ident(c.name) || '=', v.key),
                          ' OPERATOR(pg_catalog.||) ' order by c.num) filter (where is_key)
          from (select d.num, d.col, (parse_ident(d.col))[1] as name, d.num = any (i_capture.key_numbers) as is_key,
                       exists (select from skytools.capture_shown(i_capture, i_table) w where w.num = d.num) as shown,
                       d.num = (select min(n) from unnest(i_capture.key_numbers) n) as first
                  from skytools.capture_columns(i_table, i_capture.format) d) c
         cross join lateral (select 'case when pg_catalog.num_nonnulls(%1$s.%2$s) OPERATOR(pg_catalog.=) 0 then %3$s '
                                    'else pg_catalog.quote_literal(pg_catalog.concat(%1$s.%2$s)) end') f (value)
         cross join lateral (select format(f.value, i_row, c.col, '''null'''), format(f.value, 'old', c.col, '''null'''),
                                    format(f.value, i_row, c.col, case i_capture.key_index when '' then 'skytools.capture_null_key()' else '''null''' end)) v (text, old, key)
       ) s (names, texts, sets, key_set, place);
$$;
comment on function skytools.capture_sql(skytools.capture, oid, text, text) is
    'Expression that makes sqltriga''s part of a statement of a row, as text for a generated function.';
