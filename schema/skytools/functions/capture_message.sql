create or replace function skytools.capture_message()
returns text
language sql immutable
as $$
select 'pg_catalog.encode(pg_catalog.timestamptz_send(pg_catalog.statement_timestamp()), ''hex'')'::text;
$$;
comment on function skytools.capture_message() is
    'Expression that tells client messages apart: when this one came, in sixteen hexadecimal digits.';
