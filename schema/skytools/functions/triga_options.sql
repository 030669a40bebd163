create or replace function skytools.triga_options(i_args text[], i_op text)
returns jsonb
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- Arguments after the queue's name, in any order. Of two expressions for one
-- field the first counts, of two lists the last, as upstream.
declare
    arg text;
    name text;
    value text;
    options jsonb := '{"fields": []}'::jsonb;
    reason text;
begin
    foreach arg in array i_args[array_lower(i_args, 1) + 1 :] loop
        name := substring(arg from '^(\w+)=');
        value := substr(arg, length(name) + 2);
        if name in ('ignore', 'pkey') then
            options := options || jsonb_build_object(name, value);
        elsif name in ('when', 'ev_type', 'ev_data', 'ev_extra1', 'ev_extra2', 'ev_extra3', 'ev_extra4') then
            if not options -> 'fields' @> jsonb_build_array(jsonb_build_array(name)) then
                options := jsonb_set(options, '{fields}', options -> 'fields' || jsonb_build_array(jsonb_build_array(name, value)));
            end if;
        elsif arg in ('SKIP', 'backup', 'deny', 'upstream') then
            options := options || jsonb_build_object(lower(arg), true);
        else
            raise exception 'bad param to pgq trigger' using errcode = 'invalid_parameter_value',
                hint = format('%L is not one of SKIP, ignore=, pkey=, backup, deny, upstream, when=, ev_type=, ev_data=, ev_extra1= to ev_extra4=.', arg);
        end if;
    end loop;
    reason := case when i_op <> 'TRUNCATE' then null
                   when options -> 'fields' <> '[]' then 'Custom expressions do not make sense for truncater trigger'
                   when options ? 'ignore' then 'Column ignore does not make sense for truncate trigger'
                   when options ? 'pkey' then 'Custom pkey_list does not make sense for truncate trigger'
                   when options ? 'backup' then 'Backup does not make sense for truncate trigger' end;
    if reason is not null then
        raise exception '%', reason using errcode = 'invalid_parameter_value',
            hint = 'Give TRUNCATE a trigger of its own, without that argument.';
    end if;
    return options;
end;
$$;
comment on function skytools.triga_options(text[], text) is 'Takes apart the arguments of pgq.logutriga, sqltriga and jsontriga.';
