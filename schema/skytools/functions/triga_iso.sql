create or replace function skytools.triga_iso(i_values text[], i_row record, m text[])
returns text[]
language plpgsql stable
set DateStyle = 'ISO'
as $$
-- Everything else stays as the writer has it.
declare
    iso pg_catalog.text[] := skytools.triga_values('json', i_row::pg_catalog.text, m[1]::pg_catalog.int4);
    field pg_catalog.int4;
begin
    foreach field in array pg_catalog.string_to_array(m[14], E'\x02')::pg_catalog.int4[] loop
        i_values[field] := iso[field];
    end loop;
    return i_values;
end;
$$;
comment on function skytools.triga_iso(text[], record, text[]) is
    'Values for pgq.jsontriga with the argument upstream, whose dates and times are ISO whatever DateStyle says.';
