create or replace function skytools.capture_unseen(i_table oid, i_after int2)
returns setof int2
language plpgsql volatile
set search_path = pg_catalog, skytools, pg_temp
set quote_all_identifiers = off
as $$
-- The server's cache knows columns younger than the snapshot of a REPEATABLE
-- READ writer, and its rows have them. PostgreSQL 13 has an error where others
-- return NULL. A virtual generated column (PostgreSQL 18) has no value in a
-- trigger and must not be named there: EXPLAIN, which wants this function to be
-- VOLATILE, shows its expression.
declare
    n int2 := i_after;
    called text := (pg_identify_object('pg_class'::regclass, i_table, 0)).identity;
    name text;
    line text;
    virtual bool;
begin
    loop
        n := n + 1;
        begin
            name := substr((pg_identify_object('pg_class'::regclass, i_table, n)).identity, length(called) + 2);
        exception when internal_error then
            return;
        end;
        if name is null then
            return;
        end if;
        virtual := false;
        if current_setting('server_version_num')::int >= 180000 and name !~ '^"\.{8}pg\.dropped' then
            for line in execute format('explain (verbose, costs off) select skytools_c.%s from only %s skytools_c', name, called) loop
                virtual := virtual or line like '%Output: %' and line !~ ('Output: (skytools_c\.)?' || regexp_replace(name, '(\W)', '\\\1', 'g') || '$');
            end loop;
        end if;
        if not virtual then
            return next n;
        end if;
    end loop;
end;
$$;
comment on function skytools.capture_unseen(oid, int2) is
    'Numbers of a table''s columns after i_after, dropped ones too, that the server knows of: too young for a snapshot that ends with i_after.';
