create or replace function skytools.tick_snapshot() returns txid_snapshot
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    snap txid_snapshot := txid_current_snapshot();
    own bigint := txid_current_if_assigned();
begin
    if own is null or not txid_visible_in_snapshot(own, snap) then
        return snap;
    end if;
    -- The server leaves the own transaction out of its list of open ones.
    -- Events that it writes after this tick would then lie in no batch.
    return format('%s:%s:%s', least(own, txid_snapshot_xmin(snap)), txid_snapshot_xmax(snap),
        (select string_agg(id::text, ',' order by id)
            from (select txid_snapshot_xip(snap) union select own) open_ones (id)))::txid_snapshot;
end;
$$;

comment on function skytools.tick_snapshot() is
'The current snapshot, with the own transaction among the open ones: its events go to the batch after the tick.';
