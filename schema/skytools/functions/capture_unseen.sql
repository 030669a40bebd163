create or replace function skytools.capture_unseen(i_table oid)
returns setof int2
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
set quote_all_identifiers = off
as $$
-- The server's cache knows columns younger than the snapshot of a REPEATABLE
-- READ writer, and its rows have them. PostgreSQL 13 has an error where others
-- return NULL.
declare
    n int2 := coalesce((select c.relnatts from pg_class c where c.oid = i_table), 0);
    name text;
begin
    loop
        n := n + 1;
        begin
            name := (pg_identify_object('pg_class'::regclass, i_table, n)).identity;
        exception when internal_error then
            return;
        end;
        if name is null then
            return;
        end if;
        return next n;
    end loop;
end;
$$;
comment on function skytools.capture_unseen(oid) is
    'Numbers of a table''s columns, dropped ones too, that are too young for the statement''s snapshot.';
