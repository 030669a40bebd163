create or replace function skytools.capture_reads()
returns text
language sql immutable
as $$
select 'pg_catalog.starts_with(pg_catalog.current_setting(''transaction_isolation''), ''read'')'::text;
$$;
comment on function skytools.capture_reads() is
    'Condition that the transaction is READ COMMITTED or READ UNCOMMITTED: each of its statements has a snapshot of its own.';
