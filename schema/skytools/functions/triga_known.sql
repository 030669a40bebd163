create or replace function skytools.triga_known(i_format text, i_table oid, i_args text[])
returns text[]
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
-- What is known of the table stays in a setting until the transaction's end.
-- Its lock, which the writer has until then, keeps others from changing the
-- table; what the own transaction changes shows in triga_version. A savepoint
-- that is rolled back takes the lock and the setting away together.
-- Anybody may set that setting, and expressions in it run with the rights of
-- whoever writes the row. So it carries a seal, which is made here alone, from
-- a secret, and of what was found out here for this transaction, table and
-- arguments.
declare
    separator constant text := E'\x04#';
    setting text := concat('skytools.triga_', i_table, '_', to_hex(hash_array_extended(i_args, ascii(i_format))));
    version text := skytools.triga_version();
    -- As the text of an array, so that no part can pass for the next.
    about text[] := array[txid_current()::text, version, i_format, i_table::text, i_args::text];
    kept text := current_setting(setting, true);
    known text := substr(kept, 65);
begin
    if i_format not in ('urlenc', 'json', 'sql') or i_table is null or i_args is null then
        raise exception 'no trigger of PgQ calls this for format %', i_format
            using errcode = 'invalid_parameter_value', hint = 'Triggers pgq.logutriga, sqltriga and jsontriga call it.';
    end if;
    if version is not null and skytools.triga_seal((about || known)::text) = left(kept, 64) then
        return string_to_array(known, separator);
    end if;
    -- A caller that is no trigger has no lock yet. This one takes it, until the
    -- transaction's end, and asks for no right to the table.
    perform table_to_xmlschema(i_table, false, false, '');
    known := array_to_string(skytools.triga_table(i_format, i_table, i_args), separator, '');
    if version is not null then
        perform set_config(setting, skytools.triga_seal((about || known)::text) || known, true);
    end if;
    return string_to_array(known, separator);
end;
$$;
comment on function skytools.triga_known(text, oid, text[]) is
    'What triga_table finds out, kept until the transaction''s end.';
