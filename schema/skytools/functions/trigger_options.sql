create or replace function skytools.trigger_options(i_table oid, i_options jsonb)
returns jsonb
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
declare
    options jsonb := i_options;
    magic constant text := '_pgq_ev_';
    fields constant text[] := '{ev_type,ev_data,ev_extra1,ev_extra2,ev_extra3,ev_extra4}';
    given text;
    c record;
begin
    if options ? 'upstream' then
        raise exception 'upstream is an argument of generic triggers alone' using errcode = 'invalid_parameter_value',
            hint = 'Functions that are made for a table write values under settings of their own, not under the writer''s.';
    elsif options ?| '{skip,hidden,keyless,full,search_path,unsafe}' then
        raise exception 'unknown option of trigger_install: %', (select min(k) from jsonb_object_keys(options) k where k = any ('{skip,hidden,keyless,full,search_path,unsafe}'))
            using errcode = 'invalid_parameter_value',
            hint = 'Options are SKIP, ignore, pkey, backup, deny, when, ev_type, ev_data, ev_extra1 to ev_extra4, key, mode.';
    elsif options ?& '{key,pkey}' then
        raise exception 'key and pkey exclude each other' using errcode = 'invalid_parameter_value',
            hint = 'key names a unique index, pkey columns that no index has to have.';
    end if;
    foreach given in array '{SKIP,deny,backup}'::text[] loop
        if options -> given = 'false' then
            options := options - given;
        elsif options ? given then
            options := options - given || jsonb_build_object(lower(given), true);
        end if;
    end loop;
    foreach given in array '{ignore,pkey}'::text[] loop
        if jsonb_typeof(options -> given) = 'string' then
            options := options || jsonb_build_object(given, array(
                select btrim(n, E' \t\r\n') from unnest(string_to_array(options ->> given, ',')) n));
        end if;
    end loop;
    -- Columns that stand for fields of the event, as upstream has it.
    for c in select k.name, substr(k.name, 6) as field from skytools.triga_columns(i_table) k where starts_with(k.name, magic) loop
        if c.field <> all (fields) then
            raise exception 'Unknown magic column: %', c.name using errcode = 'undefined_column',
                hint = 'Columns with names that begin with _pgq_ev_ stand for fields of the event: type, data, extra1 to extra4.';
        end if;
        options := jsonb_build_object(c.field, quote_ident(c.name)) || options
                || jsonb_build_object('hidden', coalesce(options -> 'hidden', '[]') || to_jsonb(c.name));
    end loop;
    foreach given in array fields || 'when'::text loop
        if options ? given then
            options := options || jsonb_build_object(given, skytools.triga_expression(
                case when options ->> given ~ '[^[:space:]]' then options ->> given else 'null' end, i_table));
        end if;
    end loop;
    if not options ?| '{key,pkey}' then
        options := options || '{"keyless": true}';
    end if;
    if (options ?| '{ignore,backup,skip,deny,pkey}' or options ->> 'format' = 'sql') and not options ? 'mode' then
        options := options || '{"mode": "row"}';
    end if;
    return options;
end;
$$;
comment on function skytools.trigger_options(oid, jsonb) is
    'Options of trigger_install as capture_install takes them.';
