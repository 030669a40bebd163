create or replace function skytools.revoke_queue(i_queue_name text, i_role name, i_right text) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    the_queue int := skytools.queue_id(i_queue_name);
    originals oid[] := array(select skytools.grant_functions(i_right));
    twin regprocedure;
    event_table regclass;
    revoked int := 0;
begin
    perform 1 from pgq.queue where queue_id = the_queue for no key update;
    for twin in
        select p.oid from pg_proc p
        join (select skytools.queue_function_name(the_queue, oid) as name, proargtypes
              from pg_proc where oid = any (originals)) f
            on p.proname = f.name and p.proargtypes = f.proargtypes
        join pg_roles r on r.rolname = i_role
        where p.pronamespace = 'skytools'::regnamespace
            and exists (select from aclexplode(p.proacl) a where a.grantee = r.oid)
    loop
        execute format('revoke execute on function %s from %I', twin, i_role);
        revoked := revoked + 1;
    end loop;
    if i_right = 'read' and revoked > 0 then
        for event_table in select * from skytools.queue_event_tables(the_queue) loop
            execute format('revoke select on %s from %I', event_table, i_role);
        end loop;
    end if;
    return revoked;
end;
$$;

comment on function skytools.revoke_queue(text, name, text) is
'Takes a role''s right to read or write one queue away. Returns how many functions it could call.';
