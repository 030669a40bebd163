create or replace function skytools.triga_fields(i_expressions text, i_row record, i_pin bool)
returns text[]
language plpgsql volatile
as $$
-- Expressions are the application's own SQL: they run with the rights and the
-- search_path of the writer, but for that under the settings that events are
-- written with. Returns when, type, data, extra1 to extra4, and the names of
-- those that are given.
declare
    list pg_catalog.text[] := pg_catalog.string_to_array(i_expressions, E'\x02');
    fields pg_catalog.text[] := array[null, null, null, null, null, null, null, ','];
    saved pg_catalog.text[] := '{}';
    setting pg_catalog.text;
    rows pg_catalog.int8; result pg_catalog.text; type pg_catalog.oid;
begin
    if i_pin then
        foreach setting in array '{DateStyle,IntervalStyle,TimeZone,extra_float_digits,bytea_output,lc_monetary}'::pg_catalog.text[] loop
            saved := saved OPERATOR(pg_catalog.||) array[setting, pg_catalog.current_setting(setting)];
            perform pg_catalog.set_config(setting, skytools.capture_pinned(setting), true);
        end loop;
    end if;
    for i in 1 .. pg_catalog.cardinality(list) by 2 loop
        execute pg_catalog.format(
                E'select pg_catalog.count(*), (pg_catalog.array_agg(case when pg_catalog.num_nonnulls(skytools_e.e) OPERATOR(pg_catalog.=) 1 then pg_catalog.concat(skytools_e.e) end))[1],'
                ' pg_catalog.max(pg_catalog.pg_typeof(skytools_e.e)::pg_catalog.oid)'
                ' from (select ($1).*) skytools_row cross join lateral (select %s'
                '\n) skytools_e (e)',
                case when list[i OPERATOR(pg_catalog.+) 1] OPERATOR(pg_catalog.~) '[^[:space:]]'
                     then skytools.triga_unshield('sql', list[i OPERATOR(pg_catalog.+) 1]) else 'null' end)
           into rows, result, type using i_row;
        if rows OPERATOR(pg_catalog.<>) 1 then
            raise exception 'Expect 1 row from override query, got %', rows using errcode = 'cardinality_violation',
                hint = pg_catalog.format('The expression of %s= must give one value.', list[i]);
        elsif list[i] OPERATOR(pg_catalog.=) 'when' and type OPERATOR(pg_catalog.<>) 'bool'::pg_catalog.regtype then
            raise exception 'when= query result must be boolean, got=%', type using errcode = 'datatype_mismatch',
                hint = 'Write a condition.';
        elsif list[i] OPERATOR(pg_catalog.=) 'when' and result is null then
            raise exception 'when= should not be NULL' using errcode = 'null_value_not_allowed',
                hint = 'Write coalesce(…, false), or "is true" behind the condition.';
        end if;
        fields[pg_catalog.array_position('{when,ev_type,ev_data,ev_extra1,ev_extra2,ev_extra3,ev_extra4}'::pg_catalog.text[], list[i])] := result;
        fields[8] := pg_catalog.concat(fields[8], list[i], ',');
    end loop;
    perform skytools.capture_unpin(saved);
    return fields;
end;
$$;
comment on function skytools.triga_fields(text, record, bool) is
    'Evaluates when= and ev_*= of a trigger over a row.';
