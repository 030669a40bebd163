create or replace function skytools.triga_table(i_format text, i_table oid, i_args text[])
returns text[]
language plpgsql volatile
set search_path = pg_catalog, skytools, pg_temp
set quote_all_identifiers = off
as $$
-- The parts, in this order:
--   1 the row's number of fields      2 the key as ev_type shows it
--   3 template of ev_data             4 template of the key's values
--   5 template of a backup            6 settings that reach the text
--   7 switches, the first is - where triga_refuse has to look: s SKIP, b backup, d deny, u upstream, i changes of
--     other columns than those of 3 alone are no event, k a key, t it is deferrable, x one
--     of the key's names is shielded
--   8 expressions, name and text      9 fields of the magic columns, by field of the event
--  10 names for SQL                  11 their fields
--  12 names of the key's columns     13 their fields
--  14 fields of dates and times, for json
-- Lists inside are separated by sign 2. Signs of a template: see triga_values.
declare
    options jsonb := skytools.triga_options(i_args, 'ROW');
    ignored text[] := array(select btrim(n, E' \t\r\n') from unnest(string_to_array(options ->> 'ignore', ',')) n);
    listed text[] := array(select btrim(n, E' \t\r\n') from unnest(string_to_array(options ->> 'pkey', ',')) n);
    keys text[] := skytools.triga_key(i_table, listed, options ? 'pkey');
    magic constant text := '_pgq_ev_';
    magic_names constant text[] := '{ev_type,ev_data,ev_extra1,ev_extra2,ev_extra3,ev_extra4}';
    m text[];
    unknown text;
begin
    select array[
           coalesce(max(c.fields), 0)::text,
           skytools.triga_shield(case when i_format = 'json' then (select string_agg(to_json(k)::text, ',' order by o) from unnest(case options ->> 'pkey'
                                          when '' then '{""}' else coalesce(string_to_array(options ->> 'pkey', ','), keys) end) with ordinality u (k, o))
                                      when options ? 'pkey' then options ->> 'pkey' else array_to_string(keys, ',') end),
           string_agg(case when i_format = 'json' then t.json else t.url end, case i_format when 'json' then ',' else E'\x01' end order by c.num)
               filter (where t.shown),
           string_agg(format('%%%s$s', c.field), E'\x02' order by c.num) filter (where c.name = any (keys)),
           string_agg(t.url, E'\x01' order by c.num) filter (where t.shown),
           (select string_agg(distinct s, ',') from skytools.triga_columns(i_table) x, unnest(x.settings) s),
           '', '', '',
           string_agg(skytools.triga_shield(quote_ident(c.name)), E'\x02' order by c.num) filter (where t.shown),
           string_agg(c.field::text, E'\x02' order by c.num) filter (where t.shown),
           string_agg(skytools.triga_shield(quote_ident(c.name)), E'\x02' order by c.num) filter (where c.name = any (keys)),
           string_agg(c.field::text, E'\x02' order by c.num) filter (where c.name = any (keys)),
           string_agg(c.field::text, E'\x02' order by c.num)
               filter (where t.shown and i_format = 'json' and c.type_oid in ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype))],
           min(c.name) filter (where starts_with(c.name, magic) and substr(c.name, 6) <> all (magic_names))
      into m, unknown
      from skytools.triga_columns(i_table) c
     cross join lateral (select
           starts_with(c.name, magic) is false and c.name <> all (ignored),
           replace(skytools.triga_shield(c.name), '%', '%%') || E'\x02' || format('%%%s$s', c.field),
           replace(skytools.triga_shield(to_json(c.name)::text), '%', '%%') || ':'
               || format(case when c.type_oid = 'bool'::regtype then E'\x02%%%s$s'
                              when c.type_oid in ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) then '%%%s$s'
                              else '"%%%s$s"' end, c.field)
           ) t (shown, url, json);
    if unknown is not null then
        raise exception 'Unknown magic column: %', unknown using errcode = 'undefined_column',
            hint = 'Columns with names that begin with _pgq_ev_ stand for fields of the event: type, data, extra1 to extra4.';
    end if;
    m[7] := concat(case when keys <> '{}' and not options ?| '{skip,deny}' then 'k' else '-' end,
                   case when keys <> '{}' then 'k' end, case when options ? 'skip' then 's' end, case when options ? 'backup' then 'b' end,
                   case when options ? 'deny' then 'd' end, case when options ? 'upstream' then 'u' end, case when options ? 'ignore' or i_format = 'sql' then 'i' end,
                   case when not options ? 'pkey' and exists (select from pg_index where indrelid = i_table and indisprimary and not indimmediate) then 't' end,
                   case when strpos(m[2], E'\x04') > 0 then 'x' end);
    m[8] := (select string_agg((f ->> 0) || E'\x02' || skytools.triga_shield(skytools.triga_expression(f ->> 1, i_table)), E'\x02' order by o)
               from jsonb_array_elements(options -> 'fields') with ordinality u (f, o));
    m[9] := (select string_agg(coalesce(c.field, 0)::text, E'\x02' order by array_position(magic_names, n.name))
               from unnest(magic_names) n (name) left join skytools.triga_columns(i_table) c on c.name = '_pgq_' || n.name
             having count(c.field) > 0);
    return m;
end;
$$;
comment on function skytools.triga_table(text, oid, text[]) is
    'What pgq.logutriga, sqltriga and jsontriga keep of a table and their arguments for the time of a transaction.';
