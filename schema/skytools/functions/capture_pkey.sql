create or replace function skytools.capture_pkey(
    i_table oid, i_columns jsonb,
    out key_index text, out key_columns text[], out key_numbers int2[], out key_operators text[],
    out key_deferrable bool)
returns record
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
declare
    wrong text;
begin
    select min(k) into wrong from jsonb_array_elements_text(i_columns) k
     where k not in (select (parse_ident(c.col))[1] from skytools.capture_columns(i_table, 'json') c);
    if wrong is not null or i_columns = '[]' then
        raise exception 'pkey of table %: there is no column %', i_table::regclass, quote_ident(coalesce(wrong, ''))
            using errcode = 'undefined_column', hint = 'Name the columns that tell rows apart: "pkey": "a, b".';
    end if;
    key_index := '';
    key_operators := '{}';
    key_deferrable := false;
    select array_agg(k.name order by k.ord), array_agg(c.num order by k.ord) into strict key_columns, key_numbers
      from jsonb_array_elements_text(i_columns) with ordinality k (name, ord)
      join skytools.capture_columns(i_table, 'json') c on (parse_ident(c.col))[1] = k.name;
end;
$$;
comment on function skytools.capture_pkey(oid, jsonb) is
    'Key of a captured table by a list of columns, which no index has to have; as capture_key.';
