create or replace function skytools.beside_extension() returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    -- An extension of this project's own has schema skytools in it.
    select exists (select from pg_extension where extname = 'pgq')
        and not exists (select from pg_depend d
            where d.classid = 'pg_namespace'::regclass and d.objid = to_regnamespace('skytools')
                and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e');
$$;

comment on function skytools.beside_extension() is
'Is schema pgq the real extension''s, which this project works with and leaves as it stands?';
