-- An upgrade by a member of the owner, or by a superuser, is made as the
-- owner: functions with the owner's rights must stay the same role's as the
-- tables that they use. Runs after the roles, which the owner may not be
-- allowed to make.
do $owner$
declare
    owner name := (select pg_get_userbyid(n.nspowner) from pg_namespace n where n.nspname = 'skytools');
begin
    if owner <> current_user then
        execute format('set local role %I', owner);
    end if;
exception when insufficient_privilege then
    raise exception 'role "%" may not become role "%", the owner of the schemas', current_user, owner
        using errcode = 'insufficient_privilege', hint = format('install as %I', owner);
end
$owner$;
