create or replace function skytools.capture_clear(i_capture_id int, i_table oid, i_keep text[])
returns text[]
language plpgsql volatile
set search_path = pg_catalog, skytools, pg_temp
set quote_all_identifiers = off
as $$
-- Returns the statements left to the table's owner. A trigger that cannot be
-- dropped keeps its function, which then does nothing.
declare
    f record;
    todo text[] := '{}';
    owned bool := (select pg_has_role(c.relowner, 'USAGE') from pg_class c where c.oid = i_table);
begin
    for f in select p.oid, p.proname, g.tgname, g.tgrelid,
                    (select identity from pg_identify_object('pg_class'::regclass, g.tgrelid, 0)) as called
               from pg_proc p left join pg_trigger g on g.tgfoid = p.oid
              where p.pronamespace = 'skytools'::regnamespace
                and p.proname ~ ('^capture_' || i_capture_id || '_[a-z]+$')
                and substring(p.proname from '_([a-z]+)$') <> all (i_keep)
              order by p.proname
    loop
        if f.tgname is not null and coalesce(owned, false) then
            execute format('drop trigger %I on %s', f.tgname, f.called);
        end if;
        if f.tgname is null or coalesce(owned, false) then
            execute format('drop function skytools.%I()', f.proname);
        else
            execute format('create or replace function skytools.%I() returns trigger language plpgsql '
                           'security definer as ''begin return coalesce(new, old); end;''', f.proname);
            todo := todo || format('drop trigger %I on %s', f.tgname, f.called);
        end if;
    end loop;
    return todo;
end;
$$;
comment on function skytools.capture_clear(int, oid, text[]) is
    'Drops the triggers and functions of a capture except some kinds; empties the functions of triggers it may not drop.';
