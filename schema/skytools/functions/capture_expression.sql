create or replace function skytools.capture_expression(i_capture skytools.capture, i_table oid, i_option text, i_row text)
returns text
language sql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- The expression sees the row's columns and nothing else, whatever else the
-- statement reads.
select format(case i_option when 'when' then '(select coalesce(%2$s, skytools.capture_when())'
                   else '(select case when pg_catalog.num_nonnulls(skytools_e.e) OPERATOR(pg_catalog.=) 1 then pg_catalog.concat(skytools_e.e) end' end
              || ' from (select %1$s) skytools_row'
              || case i_option when 'when' then ')' else E' cross join lateral (select %2$s) skytools_e (e))' end,
              string_agg(i_row || '.' || c.col || ' as ' || c.col, ', ' order by c.num),
              '(' || (i_capture.options ->> i_option) || E'\n)')
  from skytools.capture_columns(i_table, i_capture.format) c
having i_capture.options ? i_option;
$$;
comment on function skytools.capture_expression(skytools.capture, oid, text, text) is
    'Value of an option''s expression for a row, as text for a generated function; NULL without that option.';
