create or replace function pgq._grant_perms_from(src_schema text, src_table text, dst_schema text, dst_table text)
returns int
language plpgsql volatile strict
set search_path = pg_catalog, pg_temp
as $$
declare
    target text := format('%I.%I', dst_schema, dst_table);
    one record;
begin
    for one in
        select a.grantee, a.is_grantable, string_agg(a.privilege_type, ', ') as rights
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace, aclexplode(c.relacl) a
        where n.nspname = src_schema and c.relname = src_table and a.grantee <> c.relowner
        group by a.grantee, a.is_grantable
        order by a.grantee
    loop
        execute format('grant %s on %s to %s%s', one.rights, target,
            case one.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(one.grantee)) end,
            case when one.is_grantable then ' with grant option' else '' end);
    end loop;
    return 1;
end;
$$;

comment on function pgq._grant_perms_from(text, text, text, text) is
'Grants on one table what others than its owner hold on another. Returns 1.';
