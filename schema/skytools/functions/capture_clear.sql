create or replace function skytools.capture_clear(i_capture_id int, i_table oid, i_keep text[])
returns text[]
language plpgsql volatile
set search_path = pg_catalog, skytools, pg_temp
set quote_all_identifiers = off
as $$
-- Returns the statements left to the tables' owners. A trigger that cannot be
-- dropped keeps its function, which then does nothing. Those that a partition
-- has of its parent go with the parent's.
declare
    f record;
    g record;
    stays bool;
    todo text[] := '{}';
begin
    for f in select p.oid, p.proname
               from pg_proc p
              where p.pronamespace = 'skytools'::regnamespace
                and p.proname ~ ('^capture_' || i_capture_id || '_[a-z]+$')
                and substring(p.proname from '_([a-z]+)$') <> all (i_keep)
              order by p.proname
    loop
        stays := false;
        for g in select t.tgname, (select identity from pg_identify_object('pg_class'::regclass, t.tgrelid, 0)) as called,
                        coalesce(pg_has_role(c.relowner, 'USAGE'), false) as owned
                   from pg_trigger t join pg_class c on c.oid = t.tgrelid
                  where t.tgfoid = f.oid and t.tgparentid = 0
                  order by t.tgrelid <> i_table, called
        loop
            if g.owned then
                execute format('drop trigger %I on %s', g.tgname, g.called);
            else
                stays := true;
                todo := todo || format('drop trigger %I on %s', g.tgname, g.called);
            end if;
        end loop;
        if stays then
            execute format('create or replace function skytools.%I() returns trigger language plpgsql '
                           'security definer as ''begin return coalesce(new, old); end;''', f.proname);
        else
            execute format('drop function skytools.%I()', f.proname);
        end if;
    end loop;
    return todo;
end;
$$;
comment on function skytools.capture_clear(int, oid, text[]) is
    'Drops the triggers and functions of a capture except some kinds; empties the functions of triggers it may not drop.';
