create or replace function skytools.capture_shown(i_capture skytools.capture, i_table oid)
returns table (num int2, col text, name text, special text)
language sql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
select c.num, c.col, n.name, c.special
  from skytools.capture_columns(i_table, i_capture.format) c
 cross join lateral (select (parse_ident(c.col))[1]) n (name)
 where not coalesce(i_capture.options -> 'ignore' ? n.name, false)
   and not coalesce(i_capture.options -> 'hidden' ? n.name, false)
 order by c.num;
$$;
comment on function skytools.capture_shown(skytools.capture, oid) is
    'Columns that a capture writes: all but those of its options ignore and hidden.';
