create or replace function skytools.capture_leaf(i_capture_id int, i_table oid, i_part oid, i_event_table int)
returns bigint
language plpgsql volatile
set search_path = pg_catalog, skytools, pg_temp
set quote_all_identifiers = off
as $$
-- Before a TRUNCATE, of a partitioned table or of a partition alone. The first
-- leaves a mark for its partitions, whose triggers come after its own: it is
-- told as a TRUNCATE. The second is told as the deletes of its rows, which have
-- to be read now, and an old snapshot does not show all of them.
declare
    mark text := 'skytools.truncate_' || i_capture_id;
    events bigint;
begin
    if i_part = i_table then
        perform set_config(mark, 'on', true);
        return 0;
    elsif current_setting(mark, true) = 'on'
       or not exists (select from pg_partition_ancestors(i_part::regclass) a where a.relid = i_table) then
        return 0;
    elsif current_setting('transaction_isolation') not like 'read %' then
        raise exception 'partition % cannot be truncated alone in a % transaction', i_part::regclass, current_setting('transaction_isolation')
            using errcode = 'feature_not_supported',
                  hint = 'Its rows are told as deleted, and this transaction may not see them all: run it at READ COMMITTED.';
    end if;
    execute skytools.capture_now(i_capture_id, i_table, 'DELETE', false, i_event_table,
        format('(select * from only %s)', (pg_identify_object('pg_class'::regclass, i_part, 0)).identity));
    get diagnostics events = row_count;
    return events;
end;
$$;
comment on function skytools.capture_leaf(int, oid, oid, int) is
    'What a TRUNCATE of a partition alone makes its captured table lose, as events; returns their number.';
