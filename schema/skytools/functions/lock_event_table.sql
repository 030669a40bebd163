create or replace function skytools.lock_event_table(i_table text, i_seen bigint) returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    newest bigint;
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise exception 'rotation needs isolation level read committed, this transaction has %',
                current_setting('transaction_isolation')
            using errcode = 'active_sql_transaction',
                hint = 'an old snapshot does not see all events that would be lost';
    end if;
    begin
        execute 'lock table ' || pgq.quote_fqname(i_table) || ' in access exclusive mode nowait';
    exception when lock_not_available then
        return null; -- a writer, a reader or a dump is at work
    end;
    -- A writer with an old snapshot may have written here long after the table
    -- was the current one. Under the lock no such row is still to come from a
    -- transaction that has the table in hand, and this statement's snapshot
    -- sees all that came.
    execute 'select coalesce(max(ev_txid), 0) from ' || pgq.quote_fqname(i_table) into newest;
    if newest >= i_seen then
        return null;
    end if;
    return newest;
end;
$$;

comment on function skytools.lock_event_table(text, bigint) is
'Locks an event table that is to be emptied, unless it is in use or holds an event of transaction i_seen or later. Returns the last transaction that has events in it, 0 if there are none, NULL if the table must stay as it is.';
