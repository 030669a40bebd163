-- Makes the roles of the queue if this role may. Roles belong to the whole
-- cluster: an install in another database may make one at the same moment,
-- which shows as either of the two conditions caught here.
do $roles$
declare
    wanted text;
    may boolean := (select r.rolcreaterole or r.rolsuper from pg_roles r where r.rolname = current_user);
begin
    if not may then
        return;
    end if;
    foreach wanted in array array['pgq_reader', 'pgq_writer', 'pgq_admin'] loop
        continue when to_regrole(wanted) is not null;
        begin
            execute format('create role %I', wanted);
        exception when duplicate_object or unique_violation then
            null;
        end;
    end loop;
    if pg_has_role('pgq_admin', 'pgq_reader', 'MEMBER') and pg_has_role('pgq_admin', 'pgq_writer', 'MEMBER') then
        return;
    end if;
    begin
        grant pgq_reader, pgq_writer to pgq_admin;
    exception when insufficient_privilege or internal_error or unique_violation then
        -- Somebody else's roles, or the same grant at the same moment.
        null;
    end;
end
$roles$;
