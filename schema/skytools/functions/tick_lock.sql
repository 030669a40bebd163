create or replace function skytools.tick_lock(i_queue_id int) returns void
language sql volatile as
$$ select pg_catalog.pg_advisory_xact_lock(1399552080, i_queue_id) $$;

comment on function skytools.tick_lock(int) is
'Takes the queue''s tick lock until the transaction ends. Every tick is made under it. It must be a statement of its own before the one that takes the snapshot: a snapshot from before the lock may be older than that of the tick that another session just made, and events would be delivered twice.';
