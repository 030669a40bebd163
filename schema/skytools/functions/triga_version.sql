create or replace function skytools.triga_version()
returns text
language sql volatile
as $$
-- The counters of pg_attribute (1249) and pg_index (2610): rows that this
-- transaction has written, also in a savepoint that it rolled back, so the sum
-- grows with each change of a table's columns or key. NULL: nobody counts.
select case when pg_catalog.current_setting('track_counts') OPERATOR(pg_catalog.=) 'on' then (
    pg_catalog.pg_stat_get_xact_tuples_inserted(1249) OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_updated(1249)
    OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_deleted(1249) OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_inserted(2610)
    OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_updated(2610) OPERATOR(pg_catalog.+) pg_catalog.pg_stat_get_xact_tuples_deleted(2610))::pg_catalog.text end;
$$;
comment on function skytools.triga_version() is
    'Changes with each change that this transaction makes to the columns or keys of tables.';
