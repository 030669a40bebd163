create or replace function skytools.triga_sql(i_op text, m text[], i_values text[], i_old text[])
returns text
language plpgsql immutable
as $$
-- A part of a statement, as pgq.sqltriga writes it: an INSERT's columns and
-- values, an UPDATE's changed columns, which are the key's first one if none
-- has changed, a DELETE's condition.
declare
    names pg_catalog.text[] := pg_catalog.string_to_array(m[10], E'\x02');
    fields pg_catalog.int4[] := pg_catalog.string_to_array(m[11], E'\x02')::pg_catalog.int4[];
    keys pg_catalog.text[] := pg_catalog.string_to_array(m[12], E'\x02');
    key_fields pg_catalog.int4[] := pg_catalog.string_to_array(m[13], E'\x02')::pg_catalog.int4[];
    place pg_catalog.text;
    changes pg_catalog.text;
begin
    if i_op OPERATOR(pg_catalog.=) 'INSERT' then
        return pg_catalog.concat('(', pg_catalog.array_to_string(names, ','), ') values (', (
            select pg_catalog.string_agg(case when i_values[f.n] OPERATOR(pg_catalog.=) E'\x03' then 'null' else pg_catalog.quote_literal(i_values[f.n]) end, ',' order by f.o)
              from pg_catalog.unnest(fields) with ordinality f (n, o)), ')');
    end if;
    select pg_catalog.string_agg(pg_catalog.concat(
               c.name, '=', case when i_values[c.n] OPERATOR(pg_catalog.=) E'\x03' then 'NULL' else pg_catalog.quote_literal(i_values[c.n]) end), ',' order by c.o)
      into changes
      from rows from (pg_catalog.unnest(names), pg_catalog.unnest(fields)) with ordinality c (name, n, o)
     where i_values[c.n] OPERATOR(pg_catalog.<>) i_old[c.n];
    if E'\x03' OPERATOR(pg_catalog.=) any (array(select i_values[f.n] from pg_catalog.unnest(key_fields) f (n)))
       or changes is null and i_op OPERATOR(pg_catalog.=) 'UPDATE' and coalesce(pg_catalog.cardinality(keys), 0) OPERATOR(pg_catalog.=) 0 then
        raise exception 'logtriga: Unexpected NULL key value' using errcode = 'null_value_not_allowed',
            hint = 'The columns of pkey= must be there and not be NULL.';
    end if;
    place := coalesce((
        select pg_catalog.string_agg(pg_catalog.concat(k.name, '=', pg_catalog.quote_literal(i_values[k.n])), ' and ' order by k.o)
          from rows from (pg_catalog.unnest(keys), pg_catalog.unnest(key_fields)) with ordinality k (name, n, o)), '');
    if i_op OPERATOR(pg_catalog.=) 'DELETE' then
        return place;
    end if;
    return pg_catalog.concat(coalesce(changes, pg_catalog.concat(keys[1], '=', pg_catalog.quote_literal(i_values[key_fields[1]]))),
                             ' where ', place);
end;
$$;
comment on function skytools.triga_sql(text, text[], text[], text[]) is
    'ev_data of pgq.sqltriga, given a row''s values, the old ones, and what triga_table knows of the table.';
