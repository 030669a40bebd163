create or replace function skytools.capture_alive(i_table oid, i_row tid, i_part oid default null)
returns bool
language plpgsql volatile
set search_path = pg_catalog, skytools, pg_temp
as $$
-- A row that an old snapshot shows and that somebody has touched since: deleted,
-- changed, or only locked, or it was rolled back. To lock it tells, after
-- whoever has it locked now. A deleted row is no reason to end the writer's
-- transaction. A changed one is: what stands is a version that the writer
-- cannot see, and that has been told already.
-- Without the right to lock rows nothing is known: the row counts as gone.
declare
    look text := format('select from %s where ctid = $1 and tableoid = coalesce($2, tableoid) for ', skytools.capture_named(i_table));
begin
    begin
        execute look || 'key share' using i_row, i_part;
    exception when serialization_failure or insufficient_privilege then
        return false;
    end;
    execute look || 'share' using i_row, i_part;
    return true;
end;
$$;
comment on function skytools.capture_alive(oid, tid, oid) is
    'Whether a row that a REPEATABLE READ snapshot shows still stands, for which it is locked. Fails if it was changed since.';
