create or replace function skytools.revoke_queue(i_queue_name text, i_role name, i_right text) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    the_queue int := skytools.queue_id(i_queue_name);
    twin regprocedure;
    revoked int := 0;
begin
    perform 1 from pgq.queue where queue_id = the_queue for no key update;
    for twin in
        select p.oid from pg_proc p
        join (select proname, proargtypes from pg_proc where oid in (select skytools.grant_functions(i_right))) f
            on p.proname = format('queue_%s_%s', the_queue, f.proname) and p.proargtypes = f.proargtypes
        join pg_roles r on r.rolname = i_role
        where p.pronamespace = 'skytools'::regnamespace
            and exists (select from aclexplode(p.proacl) a where a.grantee = r.oid)
    loop
        execute format('revoke execute on function %s from %I', twin, i_role);
        revoked := revoked + 1;
    end loop;
    return revoked;
end;
$$;

comment on function skytools.revoke_queue(text, name, text) is
'Takes a role''s right to read or write one queue away. Returns how many functions it could call.';
