create or replace function pgq.maint_rotate_tables_step2() returns int
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    waiting int;
begin
    -- In one order, as another session may be doing the same.
    for waiting in
        select queue_id from pgq.queue where queue_switch_step2 is null order by queue_id for no key update
    loop
        update pgq.queue set queue_switch_step2 = txid_current() where queue_id = waiting;
    end loop;
    return 0;
end;
$$;

comment on function pgq.maint_rotate_tables_step2() is
'Ends the rotations that step 1 began. Call it in a later transaction than step 1. Returns 0.';
