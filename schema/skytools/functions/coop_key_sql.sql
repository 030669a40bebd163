create or replace function skytools.coop_key_sql(i_key text) returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
declare
    form text := split_part(i_key, ':', 1);
    fields text[] := string_to_array(substr(i_key, length(form) + 2), ',');
begin
    if i_key in ('ev_type', 'ev_data', 'ev_extra1', 'ev_extra2', 'ev_extra3', 'ev_extra4') then
        return format('coalesce(%I, %L)', i_key, '');
    elsif form = 'json' and cardinality(fields) > 0 then
        return (select string_agg(format('skytools.json_field(ev_data, %L)', btrim(f)), ' || E''\n'' || ' order by nr)
            from unnest(fields) with ordinality x (f, nr));
    elsif form = 'urlenc' and cardinality(fields) > 0 then
        return (select string_agg(format('coalesce(pg_catalog.substring(ev_data, %L), %L)',
                    '(?:^|&)' || regexp_replace(skytools.urlencode(btrim(f)), '([.+-])', '\\\1', 'g') || '=([^&]*)', ''),
                ' || E''\n'' || ' order by nr)
            from unnest(fields) with ordinality x (f, nr));
    end if;
    raise exception 'unknown key: %', coalesce(i_key, 'NULL')
        using errcode = 'invalid_parameter_value',
            hint = 'ev_type, ev_data, ev_extra1 to ev_extra4, or fields of ev_data: json:id or urlenc:customer,id';
end;
$$;

comment on function skytools.coop_key_sql(text) is
'SQL of an event''s key, never NULL: a column''s name, or fields of ev_data by name as json:A,B or urlenc:A,B. Only these, since it also runs with the owner''s rights.';
