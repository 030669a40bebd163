-- Refuses a database that must not be touched. Runs before anything changes.
do $guard$
declare
    program int := current_setting('skytools.program_version');
    names text[] := string_to_array(current_setting('skytools.components'), ' ');
    foreign_names text[];
    found_name text;
    found_version text;
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

    -- An extension of one of the names that is not this project's stays as it
    -- stands, and what is ours is installed beside it.
    foreign_names := array(
        select e.extname::text from pg_extension e
        where e.extname = any (names)
            and not exists (select from pg_depend d
                where d.classid = 'pg_namespace'::regclass and d.objid = to_regnamespace('skytools')
                    and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e')
        order by e.extname);
    if foreign_names <> '{}' and current_setting('skytools.beside') <> 'on' then
        raise exception 'database "%" holds the extension %', current_database(), foreign_names[1]
            using errcode = 'feature_not_supported',
                hint = 'these statements would replace it; the program installs beside it: pgqadm INI install';
    end if;
    if current_setting('skytools.beside') <> 'on' and exists (select from pg_depend d
            where d.classid = 'pg_namespace'::regclass and d.objid = to_regnamespace('skytools')
                and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e')
    then
        raise exception 'the schemas in database "%" belong to the extension pgq', current_database()
            using errcode = 'feature_not_supported',
                hint = 'alter extension pgq update brings them to the version of the files that pgqadm print-extension wrote';
    end if;
    select e.extversion, pg_get_userbyid(e.extowner) into found_version, found_name
        from pg_extension e where e.extname = 'pgq' and e.extname = any (foreign_names);
    if found then
        if (string_to_array(substring(found_version from '^[0-9.]*[0-9]'), '.')::int[] >= '{3,4}') is not true then
            raise exception 'the extension pgq in database "%" is of version %, at least 3.4 is needed',
                    current_database(), found_version
                using errcode = 'feature_not_supported', hint = format('role %I can run: alter extension pgq update', found_name);
        end if;
        if to_regrole('pgq_admin') is null or not pg_has_role('pgq_admin', 'USAGE') then
            raise exception 'role "%" has not the rights of pgq_admin, which work with the extension pgq needs', current_user
                using errcode = 'insufficient_privilege',
                    hint = format('an administrator can run: grant pgq_admin to %I', current_user);
        end if;
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
        where n.nspname = any (names) and n.nspname <> all (foreign_names) and n.nspname <> all (made)
        order by n.nspname limit 1;
    if found then
        raise exception 'schema % exists already and was not made by this program', found_name
            using errcode = 'duplicate_schema',
                hint = 'look what it holds; rename or drop it if nobody needs it, or use another database';
    end if;
    if not has_database_privilege(owner, current_database(), 'CREATE') and cardinality(made || foreign_names) < cardinality(names) then
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
