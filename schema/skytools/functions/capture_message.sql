create or replace function skytools.capture_message()
returns text
language sql immutable
as $$
select '(pg_catalog.date_part(''epoch'', pg_catalog.statement_timestamp()) OPERATOR(pg_catalog.*) '
       '1000000.0::pg_catalog.float8)::pg_catalog.int8::pg_catalog.text';
$$;
comment on function skytools.capture_message() is
    'Expression that tells client messages apart: when this one came, in microseconds.';
