create or replace function skytools.triga_taken(i_table oid, m text[], i_old record)
returns bool
language plpgsql volatile
as $$
-- A writer that cannot read the table is not failed for it: the key counts as
-- free.
declare
    taken pg_catalog.bool;
begin
    execute pg_catalog.format('select exists (select from only %s skytools_t where (%s) OPERATOR(pg_catalog.=) (%s))',
            (pg_catalog.pg_identify_object('pg_catalog.pg_class'::pg_catalog.regclass, i_table, 0)).identity,
            (select pg_catalog.string_agg('skytools_t.' OPERATOR(pg_catalog.||) skytools.triga_unshield('sql', k), ', ')
               from pg_catalog.unnest(pg_catalog.string_to_array(m[12], E'\x02')) k),
            (select pg_catalog.string_agg('($1).' OPERATOR(pg_catalog.||) skytools.triga_unshield('sql', k), ', ')
               from pg_catalog.unnest(pg_catalog.string_to_array(m[12], E'\x02')) k))
       into taken using i_old;
    return taken;
exception when insufficient_privilege then
    return false;
end;
$$;
comment on function skytools.triga_taken(oid, text[], record) is 'Whether the key of an old row is another row''s now.';
