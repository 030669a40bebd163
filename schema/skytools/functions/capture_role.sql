create or replace function skytools.capture_role()
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
-- IMMUTABLE is meant: the planner folds the call into the plan, and the server
-- throws away all plans when session_replication_role changes.
select current_setting('session_replication_role');
$$;
comment on function skytools.capture_role() is
    'session_replication_role, as a constant of the plans of generated functions.';
