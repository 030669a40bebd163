create or replace function skytools.triga_times(i_values text[], i_fields int[])
returns text[]
language plpgsql immutable
as $$
-- 2020-01-01 00:00:00+00 is 2020-01-01T00:00:00+00:00 in JSON.
declare
    field pg_catalog.int4;
begin
    foreach field in array i_fields loop
        i_values[field] := pg_catalog.regexp_replace(pg_catalog.regexp_replace(
            i_values[field], E'^(\\d+-\\d\\d-\\d\\d) (\\d)', E'\\1T\\2'), E'(:\\d\\d(?:[.]\\d+)?[+-]\\d\\d)( BC)?$', E'\\1:00\\2');
    end loop;
    return i_values;
end;
$$;
comment on function skytools.triga_times(text[], int[]) is
    'Values of a row with those of some fields changed from the server''s ISO style to the one of JSON.';
