create or replace function pgq.seq_setval(i_seq_name text, i_new_value bigint) returns bigint
language plpgsql volatile strict
set search_path = pg_catalog, pg_temp
as $$
declare
    value bigint := pgq.seq_getval(i_seq_name);
begin
    if i_new_value > value then
        perform setval(pgq.quote_fqname(i_seq_name)::regclass, i_new_value);
        return i_new_value;
    end if;
    return value;
end;
$$;

comment on function pgq.seq_setval(text, bigint) is
'Moves a sequence forward to a value, never back. Returns the value it has now.';
