create or replace function skytools.triga_known(i_setting text, i_version text, i_format text, i_table oid, i_args text[])
returns text[]
language plpgsql volatile
as $$
declare
    known pg_catalog.text := pg_catalog.array_to_string(
        skytools.triga_table(i_format, i_table, i_args) OPERATOR(pg_catalog.||) coalesce(i_version, ''), E'\x04#', '');
begin
    if i_version is not null then
        perform pg_catalog.set_config(i_setting, known, true);
    end if;
    return pg_catalog.string_to_array(known, E'\x04#');
end;
$$;
comment on function skytools.triga_known(text, text, text, oid, text[]) is
    'What triga_table finds out, left in a setting until the transaction''s end.';
