create or replace function skytools.capture_trigger(i_capture skytools.capture, i_table oid, i_kind text, i_event text, i_listed bool)
returns text
language plpgsql volatile
set search_path = pg_catalog, skytools, pg_temp
set quote_all_identifiers = off
as $$
-- A trigger that already stands as it should is left alone: to replace it the
-- table would have to be locked, and to drop it the installer must own it.
declare
    name text := skytools.capture_trigger_name(i_capture.queue_name, i_kind);
    func text := format('capture_%s_%s', i_capture.capture_id, i_kind);
    have record;
    called text := (select identity from pg_identify_object('pg_class'::regclass, i_table, 0));
begin
    select g.oid, g.tgenabled, p.pronamespace = 'skytools'::regnamespace and p.proname ~ ('^capture_' || i_capture.capture_id || '_') as ours,
           p.pronamespace = 'skytools'::regnamespace and p.proname = func
           and case i_kind when 'upd' then (g.tgoldtable is not null) = i_listed
                           when 'key' then (g.tgattr <> '') = i_listed else true end
           and (i_kind <> 'key' or (select array_agg(d.refobjsubid::int2 order by d.refobjsubid) from (
                    select distinct d.refobjsubid from pg_depend d
                     where d.classid = 'pg_trigger'::regclass and d.objid = g.oid
                       and d.refobjid = i_table and d.refobjsubid > 0) d)
                  is not distinct from (select array_agg(n order by n) from unnest(i_capture.key_numbers) n)) as stands
      into have
      from pg_trigger g join pg_proc p on p.oid = g.tgfoid
     where g.tgrelid = i_table and g.tgname = name and not g.tgisinternal;
    if found and not have.ours then
        raise exception 'table % has a trigger % that is not capture''s', called, quote_ident(name)
            using errcode = 'duplicate_object', hint = 'Rename or drop it.';
    elsif found and have.stands and have.tgenabled = 'O' then
        return name;
    elsif found and have.stands then
        execute format('alter table %s enable trigger %I', called, name);
        return name;
    elsif found then
        execute format('drop trigger %I on %s', name, called);
    end if;
    execute format('create trigger %I ', name)
         || format(i_event, called, skytools.capture_match(i_capture, i_table, 'old', 'new'),
                   (select string_agg(c.col, ', ' order by c.num) from skytools.capture_columns(i_table, i_capture.format) c
                     where c.num = any (i_capture.key_numbers)))
         || format(' execute function skytools.%I()', func);
    return name;
end;
$$;
comment on function skytools.capture_trigger(skytools.capture, oid, text, text, bool) is 'Makes one trigger of a capture, unless it stands already.';
