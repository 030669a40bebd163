create or replace function skytools.triga_same(i_table oid, i_new_values text[], i_old_values text[], i_new record, i_old record)
returns text[]
language plpgsql stable
as $$
-- For the argument upstream only, whose code asks the type's equality where it
-- has one: 1.0 is no change of 1. Geometric types have an operator of that name
-- that compares sizes; json has none.
declare
    v pg_catalog.text[] := i_new_values;
    c pg_catalog.record;
    same pg_catalog.bool;
begin
    for c in select k.field, k.name
               from skytools.triga_columns(i_table) k join pg_catalog.pg_type t on t.oid OPERATOR(pg_catalog.=) k.type_oid
              where i_new_values[k.field] OPERATOR(pg_catalog.<>) i_old_values[k.field] and t.typcategory OPERATOR(pg_catalog.<>) 'G'
                and i_new_values[k.field] OPERATOR(pg_catalog.<>) E'\x03' and i_old_values[k.field] OPERATOR(pg_catalog.<>) E'\x03' loop
        begin
            execute pg_catalog.format('select ($1).%1$I OPERATOR(pg_catalog.=) ($2).%1$I', c.name) into same using i_new, i_old;
        exception when undefined_function then
            same := false;
        end;
        if same then
            v[c.field] := i_old_values[c.field];
        end if;
    end loop;
    return v;
end;
$$;
comment on function skytools.triga_same(oid, text[], text[], record, record) is
    'New values of a row with the old text where the type says that nothing has changed.';
