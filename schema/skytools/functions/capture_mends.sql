create or replace function skytools.capture_mends()
returns text[]
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
select '{first_run,reset,own_rows,key_gone,key_mark,key_twins,unlisted,truncate_refill,open_mark,related,shape,special,pin,qualified,row_security}'::text[];
$$;
comment on function skytools.capture_mends() is
    'Names of what keeps a naive capture from diverging; tests leave out one at a time by the option "unsafe".';
