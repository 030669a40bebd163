create or replace function pgq.quote_fqname(i_name text) returns text
language plpgsql immutable strict
set search_path = pg_catalog, pg_temp
as $$
declare
    dot int := position('.' in i_name);
begin
    if dot > 0 then
        return quote_ident(left(i_name, dot - 1)) || '.' || quote_ident(substr(i_name, dot + 1));
    end if;
    return 'public.' || quote_ident(i_name);
end;
$$;

comment on function pgq.quote_fqname(text) is
'Quotes the two parts of schema.name, split at the first dot; a name alone is public''s.';
