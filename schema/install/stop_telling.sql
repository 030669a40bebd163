-- From here on writers ask pgq.queue where it stands, see skytools.queue_table.
do $stop$
declare
    item record;
begin
    set local lock_timeout = '5s';
    drop trigger if exists skytools_changed on pgq.queue;
    for item in
        select p.oid::regprocedure as name from pg_proc p
        where p.pronamespace = 'skytools'::regnamespace and p.proname ~ '^queue_\d+_table$'
    loop
        execute format('create or replace function %s returns int4 language sql immutable as %L', item.name, 'select null::pg_catalog.int4');
    end loop;
    -- An install that comes now takes it back: it makes these anew, and runs
    -- the grants, which tell writers where the queues stand.
    delete from skytools.routine where file in ('skytools/functions/queue_changed.sql', 'skytools/functions/queues.sql');
    update skytools.installation set grants_sum = '';
end
$stop$;
