create or replace function skytools.capture_options(i_options jsonb)
returns jsonb
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- `unsafe` is for tests alone: it names mends to leave out, so that a case
-- can show that it fails without the mend it exists for.
declare
    unknown text;
    options jsonb := coalesce(i_options, '{}');
begin
    select string_agg(k, ', ' order by k) into unknown from jsonb_object_keys(options) k
     where k not in ('mode', 'format', 'key', 'unsafe', 'ignore', 'backup', 'when', 'ev_type', 'ev_data',
                     'ev_extra1', 'ev_extra2', 'ev_extra3', 'ev_extra4', 'search_path', 'skip', 'deny', 'pkey', 'keyless', 'hidden', 'full');
    if unknown is not null then
        raise exception 'unknown capture option: %', unknown
            using errcode = 'invalid_parameter_value', hint = 'Options are mode, format, key, ignore, backup, when, ev_type, ev_data, ev_extra1 to ev_extra4.';
    elsif jsonb_typeof(options -> 'unsafe') <> 'array' or not options -> 'unsafe' <@ to_jsonb(skytools.capture_mends()) then
        raise exception 'unknown mend in %', options -> 'unsafe'
            using errcode = 'invalid_parameter_value', hint = 'For tests alone; names are those of skytools.capture_mends().';
    elsif coalesce(options ->> 'mode', 'statement') not in ('statement', 'row') then
        raise exception 'capture mode must be statement or row, not %', options ->> 'mode'
            using errcode = 'invalid_parameter_value', hint = 'Leave it out for statement.';
    elsif (options ?| '{ignore,backup,skip,deny,pkey}' or options ->> 'format' = 'sql') and options ->> 'mode' is distinct from 'row' then
        raise exception 'ignore, backup, SKIP, deny, pkey and format sql need mode row' using errcode = 'invalid_parameter_value',
            hint = 'A statement''s trigger has no pairs of old and new rows, and comes when they are written.';
    elsif coalesce(options ->> 'format', 'json') not in ('json', 'urlenc', 'sql') then
        raise exception 'capture format must be json, urlenc or sql, not %', options ->> 'format'
            using errcode = 'invalid_parameter_value', hint = 'Leave it out for json.';
    end if;
    return options;
end;
$$;
comment on function skytools.capture_options(jsonb) is 'Checks the options of capture_install.';
