create or replace function skytools.snapshot_covers(i_newer txid_snapshot, i_older txid_snapshot) returns boolean
language sql immutable
set search_path = pg_catalog, pg_temp
as $$
    select txid_snapshot_xmax(i_newer) >= txid_snapshot_xmax(i_older)
        and not exists (
            select from txid_snapshot_xip(i_newer) open_one (id)
            where txid_visible_in_snapshot(id, i_older));
$$;

comment on function skytools.snapshot_covers(txid_snapshot, txid_snapshot) is
'Does the newer snapshot see all that the older one sees?';
