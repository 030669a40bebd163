create or replace function skytools.capture_now(
    i_capture_id int, i_table oid, i_op text, i_again bool, i_event_table int, i_row text)
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
declare
    c skytools.capture;
    prefix text;
begin
    select * into c from skytools.capture where capture_id = i_capture_id;
    if not found and current_setting('transaction_isolation') not like 'read %' then
        raise exception 'table % was captured after the snapshot of this transaction was taken', i_table::regclass
            using errcode = 'serialization_failure', hint = 'Run the transaction again.';
    elsif not found then
        raise exception 'capture % of table % is not registered', i_capture_id, i_table::regclass
            using errcode = 'undefined_object', hint = 'Drop its triggers, or add the table again.';
    end if;
    select queue_data_pfx into strict prefix from pgq.queue where queue_name = c.queue_name;
    return skytools.capture_statement(c, i_table, i_op, i_again, prefix || '_' || i_event_table, i_row);
end;
$$;
comment on function skytools.capture_now(int, oid, text, bool, int, text) is
    'The statement a generated function runs when its table has changed since it was generated: built from the catalogue now.';
