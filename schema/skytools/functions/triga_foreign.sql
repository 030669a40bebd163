create or replace function skytools.triga_foreign(i_settings text)
returns bool
language sql stable
as $$
-- Settings that make the same text as the pinned ones are no reason to pay.
select pg_catalog.strpos(i_settings, 'search_path') OPERATOR(pg_catalog.>) 0
    or not pg_catalog.starts_with(pg_catalog.current_setting('DateStyle'), 'ISO')
    or pg_catalog.strpos(i_settings, 'TimeZone') OPERATOR(pg_catalog.>) 0
       and pg_catalog.current_setting('TimeZone') OPERATOR(pg_catalog.<>) all ('{UTC,Etc/UTC,GMT}'::pg_catalog.text[])
    or pg_catalog.current_setting('IntervalStyle') OPERATOR(pg_catalog.<>) 'postgres'
    or pg_catalog.current_setting('extra_float_digits') OPERATOR(pg_catalog.<>) all ('{1,2,3}'::pg_catalog.text[])
    or pg_catalog.current_setting('bytea_output') OPERATOR(pg_catalog.<>) 'hex'
    or pg_catalog.strpos(i_settings, 'lc_monetary') OPERATOR(pg_catalog.>) 0
       and pg_catalog.current_setting('lc_monetary') OPERATOR(pg_catalog.<>) 'C';
$$;
comment on function skytools.triga_foreign(text) is
    'Whether the session''s settings may give values another text than events have; i_settings are those that reach the text.';
