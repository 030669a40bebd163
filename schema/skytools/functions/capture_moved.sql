create or replace function skytools.capture_moved(i_capture skytools.capture, i_table oid)
returns text
language sql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- Both transition tables hold an UPDATE's rows in one order. A FULL JOIN whose
-- condition lets it stay one is never planned as a loop over both, not even in
-- a plan made for few rows.
select case when bool_and(c.col is not null) then format(
           'select exists (select from (select pg_catalog.row_number() over (), %1$s from old_t skytools_c) skytools_o (n, %2$s)'
           ' full join (select pg_catalog.row_number() over (), %1$s from new_t skytools_c) skytools_n (n, %2$s)'
           ' on skytools_o.n OPERATOR(pg_catalog.=) skytools_n.n where (%3$s) is not true)',
           string_agg('skytools_c.' || c.col, ', ' order by k.ord),
           string_agg('k' || k.ord, ', ' order by k.ord),
           string_agg(format('skytools_o.k%1$s %2$s skytools_n.k%1$s%3$s', k.ord, split_part(k.op, '|', 1),
                             case when split_part(k.op, '|', 2) <> '' then ' ' || split_part(k.op, '|', 2) end),
                      ' and ' order by k.ord))
       else 'select true' end
  from unnest(i_capture.key_numbers, i_capture.key_operators) with ordinality k (num, op, ord)
  left join skytools.capture_columns(i_table, i_capture.format) c on c.num = k.num;
$$;
comment on function skytools.capture_moved(skytools.capture, oid) is
    'Query that tells whether a row of an UPDATE has another key than before; so it does where a key column is gone.';
