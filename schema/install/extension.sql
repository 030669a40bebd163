-- Refuses a database that has the schemas already.
do $guard$
declare
    found_name text;
begin
    select n.nspname into found_name
        from pg_namespace n
        where n.nspname = any (string_to_array(current_setting('skytools.components'), ' '))
        order by n.nspname limit 1;
    if found then
        raise exception 'schema % exists already', found_name
            using errcode = 'duplicate_schema',
                hint = 'schemas that pgqadm installed go on without the extension: pgqadm INI install upgrades them; drop what nobody needs';
    end if;
end
$guard$;
