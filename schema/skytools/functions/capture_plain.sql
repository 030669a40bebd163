create or replace function skytools.capture_plain(i_table oid)
returns bool
language sql immutable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- IMMUTABLE is meant, as in capture_shape: a new trigger changes the table's
-- definition, and the plan that holds the answer is thrown away. A REPEATABLE
-- READ writer may not see the trigger, so a plan made there says no. Where all
-- plans must agree it is asked only at READ COMMITTED.
select current_setting('transaction_isolation') like 'read %' and not skytools.capture_unlisted(i_table);
$$;
comment on function skytools.capture_plain(oid) is
    'Whether an UPDATE surely changes only the columns that it lists, as a constant of the plans of generated functions.';
