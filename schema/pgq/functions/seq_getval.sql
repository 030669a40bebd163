create or replace function pgq.seq_getval(i_seq_name text) returns bigint
language plpgsql volatile strict
set search_path = pg_catalog, pg_temp
as $$
declare
    value bigint;
begin
    execute 'select last_value from ' || pgq.quote_fqname(i_seq_name) into value;
    return value;
end;
$$;

comment on function pgq.seq_getval(text) is
'Last value of a sequence; its start value when it gave none yet. Does not move it.';
