create or replace function skytools.capture_ignored(i_capture skytools.capture, i_table oid)
returns text
language sql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- An UPDATE that changes nothing at all is told; so is one of a table that has
-- changed since, whose record cannot be asked for its columns in static text.
select format(E'if intact then\n    rekeyed := rekeyed or row(%s)::pg_catalog.text OPERATOR(pg_catalog.<>) row(%s)::pg_catalog.text'
              ' or new::pg_catalog.text OPERATOR(pg_catalog.=) old::pg_catalog.text;\nelse\n    rekeyed := true;\nend if;\nif rekeyed then\n',
              string_agg('new.' || s.col, ', ' order by s.num), string_agg('old.' || s.col, ', ' order by s.num))
  from skytools.capture_shown(i_capture, i_table) s;
$$;
comment on function skytools.capture_ignored(skytools.capture, oid) is
    'Row mode: what comes before an UPDATE''s step, so that one which changes ignored columns alone is not told.';
