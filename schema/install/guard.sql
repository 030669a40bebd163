-- Refuses a database that must not be touched. Runs before anything changes.
do $guard$
declare
    program int := current_setting('skytools.program_version');
    found_name text;
    installed boolean := to_regclass('skytools.installation') is not null;
    installed_version int;
    owner name := current_user;
    made text[] := '{}';
begin
    if pg_is_in_recovery() then
        raise exception 'this server is a standby'
            using errcode = 'read_only_sql_transaction',
                hint = 'install on the primary server';
    end if;

    select e.extname into found_name
        from pg_extension e
        where e.extname in ('pgq', 'pgq_node', 'pgq_coop', 'pgq_ext', 'londiste')
        order by e.extname = 'pgq' desc, e.extname limit 1;
    if found then
        raise exception 'database "%" holds the extension %', current_database(), found_name
            using errcode = 'feature_not_supported',
                hint = 'nothing of it is replaced, and this version cannot work beside it: use another database, or remove it first with drop extension';
    end if;

    if to_regclass('londiste.provider_table') is not null
        or to_regclass('londiste.subscriber_table') is not null
    then
        raise exception 'database "%" holds the londiste tables of Skytools 2.1', current_database()
            using errcode = 'feature_not_supported',
                hint = 'remove the tables there with its own "provider remove" and "subscriber remove", then drop schema londiste cascade and schema pgq cascade';
    end if;

    if installed then
        select pg_get_userbyid(n.nspowner) into owner from pg_namespace n where n.nspname = 'skytools';
        if not pg_has_role(owner, 'MEMBER') then
            raise exception 'the schemas in database "%" belong to role "%"', current_database(), owner
                using errcode = 'insufficient_privilege',
                    hint = format('install as %I, or as a member of it', owner);
        end if;
        select coalesce(array_agg(distinct split_part(r.file, '/', 1)), '{}') into made from skytools.routine r;
    end if;
    -- Ours are those that a function of ours was made in.
    select n.nspname into found_name
        from pg_namespace n
        where n.nspname in ('pgq', 'pgq_node', 'pgq_coop', 'pgq_ext', 'londiste', 'skytools')
            and n.nspname <> all (made)
        order by n.nspname limit 1;
    if found then
        raise exception 'schema % exists already and was not made by this program', found_name
            using errcode = 'duplicate_schema',
                hint = 'look what it holds; rename or drop it if nobody needs it, or use another database';
    end if;
    if not has_database_privilege(owner, current_database(), 'CREATE') and cardinality(made) < 6 then
        raise exception 'role "%" may not create schemas in database "%"', owner, current_database()
            using errcode = 'insufficient_privilege',
                hint = format('the owner of the database can allow it: grant create on database %I to %I',
                    current_database(), owner);
    end if;
    if not installed then
        return;
    end if;
    select i.version into installed_version from skytools.installation i;
    if installed_version > program then
        raise exception 'database "%" holds version % of the schemas, this program has version %',
                current_database(), installed_version, program
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'use the newer program: a downgrade could lose data';
    end if;
end
$guard$;
