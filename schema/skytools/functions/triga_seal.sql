create or replace function skytools.triga_seal(i_text text) returns text
language sql stable
as $$
    select pg_catalog.encode(pg_catalog.sha256(s.secret
               operator(pg_catalog.||) pg_catalog.convert_to(i_text, pg_catalog.getdatabaseencoding())
               operator(pg_catalog.||) s.secret), 'hex') from skytools.secret s order by s.secret limit 1
$$;
comment on function skytools.triga_seal(text) is
    'Seals a text by the database''s secret. Nobody but the owner may call it.';
