create or replace function skytools.triga_refuse(i_op text, i_when text, i_level text, i_schema text, i_table text, i_args text[], i_switches text)
returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if i_level <> 'ROW' and i_op <> 'TRUNCATE' then
        raise exception 'pgq Ins/Upd/Del trigger must be fired FOR EACH ROW' using errcode = 'trigger_protocol_violated',
            hint = 'Create the trigger FOR EACH ROW; TRUNCATE has one of its own, FOR EACH STATEMENT.';
    elsif coalesce(cardinality(i_args), 0) = 0 then
        raise exception 'pgq trigger must have destination queue as argument' using errcode = 'trigger_protocol_violated',
            hint = 'execute function pgq.logutriga(''queue'')';
    elsif strpos(i_switches, 's') > 0 and i_when = 'AFTER' then
        raise exception 'SKIP does not work in AFTER trigger.' using errcode = 'trigger_protocol_violated',
            hint = 'Create the trigger BEFORE the operation that it is to replace.';
    elsif i_op in ('UPDATE', 'DELETE') and strpos(i_switches, 'k') = 0 then
        raise exception 'Update/Delete on table without pkey' using errcode = 'invalid_table_definition',
            hint = 'Add a primary key, or name the columns that tell rows apart: pkey=col1,col2.';
    elsif strpos(i_switches, 'd') > 0 then
        raise exception 'Table ''%.%'' to queue ''%'': change not allowed (%)', i_schema, i_table,
                i_args[array_lower(i_args, 1)], i_op
            using errcode = 'read_only_sql_transaction', hint = 'A trigger of the table has the argument deny.';
    end if;
end;
$$;
comment on function skytools.triga_refuse(text, text, text, text, text, text[], text) is
    'Raises the error if a trigger of the functions logutriga, sqltriga, jsontriga cannot do what is asked.';
