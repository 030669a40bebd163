create or replace function pgq_ext.upgrade_schema() returns int
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    return 0;
end;
$$;

comment on function pgq_ext.upgrade_schema() is
'Returns 0: the installer upgrades the schema, so nothing is left to do here.';
