create or replace function skytools.backlog_over(i_age interval, i_bytes bigint, i_max_age interval, i_max_bytes bigint)
returns text
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select case
        when i_age > i_max_age then format('older than %s', i_max_age)
        when i_bytes > i_max_bytes then format('more than %s bytes', i_max_bytes)
    end;
$$;

comment on function skytools.backlog_over(interval, bigint, interval, bigint) is
'Says which limit a backlog is over; NULL if none.';
