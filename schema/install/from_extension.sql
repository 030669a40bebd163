-- Takes schema pgq out of the real extension and gives it to the owner of
-- schema skytools. Tables, rows and functions stay the same objects, so who is
-- at work goes on; the functions are replaced by the install that follows.
do $from$
declare
    owner name := (select pg_get_userbyid(n.nspowner) from pg_namespace n where n.nspname = 'skytools');
    extension oid := (select e.oid from pg_extension e where e.extname = 'pgq');
    other text;
    item record;
begin
    if not coalesce((select r.rolsuper from pg_roles r where r.rolname = current_user), false) then
        raise exception 'role "%" is no superuser', current_user
            using errcode = 'insufficient_privilege', hint = 'an extension is taken apart by a superuser: give such a role in the connection string';
    end if;
    if extension is null or to_regprocedure('skytools.beside_extension()') is null then
        raise exception 'database "%" does not hold the real extension pgq with this project''s schemas beside it', current_database()
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'first install as the role that is to own the queues: pgqadm INI install';
    end if;
    select e.extname into other from pg_depend d join pg_extension e on e.oid = d.objid
        where d.classid = 'pg_extension'::regclass and d.refclassid = 'pg_extension'::regclass and d.refobjid = extension;
    if found then
        raise exception 'extension % needs the extension pgq', other
            using errcode = 'dependent_objects_still_exist', hint = 'remove it first: it holds a cascade that is not moved';
    end if;

    -- Whoever writes, ticks or reads by function has read pgq.queue: this waits
    -- for their transactions, holding nothing. With it held nobody can come to
    -- wait for us who has a lock on what is locked next, but for vacuum and
    -- readers of event tables; a short wait is enough for those, and too short
    -- for the server to end somebody else over a deadlock.
    set local lock_timeout = '5s';
    lock table pgq.queue in access exclusive mode;
    set local lock_timeout = '500ms';
    for item in select c.oid::regclass as name from pg_class c
        where c.relnamespace = 'pgq'::regnamespace and c.relkind = 'r' order by c.oid
    loop
        execute format('lock table %s in access exclusive mode', item.name);
    end loop;

    for item in
        select i.type, i.identity from pg_depend d, pg_identify_object(d.classid, d.objid, d.objsubid) i
        where d.refclassid = 'pg_extension'::regclass and d.refobjid = extension and d.deptype = 'e'
    loop
        execute format('alter extension pgq drop %s %s', item.type, item.identity);
    end loop;
    drop extension pgq;

    execute format('alter schema pgq owner to %I', owner);
    for item in
        select c.oid::regclass as name from pg_class c
        where c.relnamespace = 'pgq'::regnamespace and c.relkind in ('r', 'S')
            and not exists (select from pg_depend d
                where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i'))
    loop
        execute format('alter table %s owner to %I', item.name, owner);
    end loop;
    for item in select p.oid::regprocedure as name from pg_proc p where p.pronamespace = 'pgq'::regnamespace loop
        execute format('alter function %s owner to %I', item.name, owner);
    end loop;

    -- A sequence of the extension's that was never used does not tell of its
    -- first number.
    for item in select q.queue_event_seq as seq from pgq.queue q where pg_sequence_last_value(q.queue_event_seq::regclass) is null loop
        perform setval(item.seq::regclass, 1);
    end loop;

    -- The keys as they are where no extension was. Structure that was made beside
    -- it is noted as applied and does not come again; an older one's is yet to
    -- come with the install that follows, and takes this foreign key away.
    delete from skytools.coop_key k where not exists (
        select from pgq.subscription s where s.sub_queue = k.sub_queue and s.sub_consumer = k.sub_consumer);
    if exists (select from skytools.migration m where m.file = 'skytools/tables/007_subscription_key.sql') then
        alter table pgq.subscription
            drop constraint subscription_pkey,
            add constraint subscription_pkey primary key (sub_queue, sub_consumer, sub_active);
    else
        alter table skytools.coop_key
            add foreign key (sub_queue, sub_consumer) references pgq.subscription on delete cascade;
    end if;
    if to_regclass('pgq_node.subscriber_info') is not null then
        alter table pgq_node.subscriber_info
            add foreign key (worker_name) references pgq.consumer (co_name),
            add foreign key (watermark_name) references pgq.consumer (co_name);
    end if;

    -- A move to the extension that was ended before its install has left these.
    delete from skytools.migration where starts_with(file, 'pgq/');
    delete from skytools.routine where starts_with(file, 'pgq/');
    insert into skytools.migration (file, sum) values ('pgq/tables/001_queue.sql', current_setting('skytools.structure_sum'));
    -- Makes the install that follows replace all functions, and make what tells
    -- writers where the queues stand.
    insert into skytools.routine (file, sum, signatures) values ('pgq/functions/version.sql', '', '{pgq.version()}');
    delete from skytools.routine where file in ('skytools/functions/queue_changed.sql', 'skytools/functions/queues.sql');
end
$from$;
