create or replace function skytools.triga_shield(i_text text)
returns text
language sql immutable
as $$
select pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(pg_catalog.replace(
       i_text, E'\x04', E'\x044'), E'\x01', E'\x041'), E'\x02', E'\x042'), E'\x03', E'\x043');
$$;
comment on function skytools.triga_shield(text) is
    'Writes signs 1 to 4 as 4 and a digit, so that they can be set between values; triga_unshield undoes it.';
