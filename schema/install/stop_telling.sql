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
end
$stop$;
