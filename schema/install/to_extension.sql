-- Gives schema pgq to the real extension. Tables, rows and functions stay the
-- same objects, so that triggers of users' tables and whoever is at work go on;
-- the functions get the extension's text.
do $to$
declare
    owner name := (select pg_get_userbyid(n.nspowner) from pg_namespace n where n.nspname = 'skytools');
    item record;
    members text[] := '{}';
    config text[];
    conditions text[];
    one text;
    definition text;
    target text;
begin
    if to_regrole('pgq_admin') is null or not pg_has_role(owner, 'pgq_admin', 'USAGE') then
        raise exception 'role "%" has not the rights of pgq_admin, which work with the extension pgq needs', owner
            using errcode = 'insufficient_privilege', hint = format('grant pgq_admin to %I', owner);
    end if;

    -- As in the other direction.
    set local lock_timeout = '5s';
    lock table pgq.queue in access exclusive mode;
    set local lock_timeout = '500ms';
    for item in select c.oid::regclass as name from pg_class c
        where c.relnamespace = 'pgq'::regnamespace and c.relkind = 'r' order by c.oid
    loop
        execute format('lock table %s in access exclusive mode', item.name);
    end loop;
    -- An install since then has told them again, or the capture of a transaction
    -- with an old snapshot: they would write into tables that nobody reads.
    if exists (select from pg_trigger where tgrelid = 'pgq.queue'::regclass and tgname = 'skytools_changed')
        or exists (select from pg_proc
            where pronamespace = 'skytools'::regnamespace and proname ~ '^queue_\d+_table$' and prosrc !~ 'null')
    then
        raise exception 'somebody has told writers again where the queues stand'
            using errcode = 'object_not_in_prerequisite_state', hint = 'run the move again, and no install beside it';
    end if;
    -- The extension's functions run as its owner, a superuser, and what the
    -- owner of the schemas has hung on their tables would run as that.
    select string_agg(x.what, ', ' order by x.what) into one from (
        select format('trigger %I of %s', t.tgname, t.tgrelid::regclass), t.tgrelid from pg_trigger t
            where not t.tgisinternal and t.tgfoid <> 'skytools.queue_changed()'::regprocedure
        union all
        select format('rule %I of %s', r.rulename, r.ev_class::regclass), r.ev_class from pg_rewrite r
            join pg_class c on c.oid = r.ev_class and c.relkind = 'r'
        union all
        select format('policy %I of %s', p.polname, p.polrelid::regclass), p.polrelid from pg_policy p
        union all
        select format('check %I of %s', k.conname, k.conrelid::regclass), k.conrelid from pg_constraint k where k.contype = 'c'
        union all
        select format('index %s', i.indexrelid::regclass), i.indrelid from pg_index i
            where i.indexprs is not null or i.indpred is not null
        union all
        select format('default of column %I of %s', a.attname, d.adrelid::regclass), d.adrelid
            from pg_attrdef d join pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
            where pg_get_expr(d.adbin, d.adrelid)
                !~ '^(nextval\(''pgq\.\w+''::regclass\)|now\(\)|txid_current\(\)|txid_current_snapshot\(\)|false|true|\d+|''[\w :.]+''::interval)$'
        ) x (what, relation)
        join pg_class c on c.oid = x.relation and c.relnamespace = 'pgq'::regnamespace;
    if one is not null then
        raise exception 'tables of schema pgq have more than they were made with: %', one
            using errcode = 'object_not_in_prerequisite_state',
                hint = 'it would run with the rights of the extension''s owner: drop it, then move';
    end if;
    for item in
        select k.conrelid::regclass as name, k.conname from pg_constraint k
        where k.contype = 'f' and k.confrelid in (select oid from pg_class where relnamespace = 'pgq'::regnamespace)
            and k.conrelid not in (select oid from pg_class where relnamespace = 'pgq'::regnamespace)
    loop
        execute format('alter table %s drop constraint %I', item.name, item.conname);
    end loop;

    -- The extension relies on its own key for one row a consumer.
    alter table pgq.subscription
        drop constraint subscription_pkey,
        add constraint subscription_pkey primary key (sub_queue, sub_consumer);

    alter schema pgq rename to pgq_moving;
    create extension pgq;
    for item in
        select o.oid, n.oid as new, n.oid::regprocedure as name
        from pg_proc n join pg_proc o using (proname, proargtypes)
        where n.pronamespace = 'pgq'::regnamespace and o.pronamespace = 'pgq_moving'::regnamespace
    loop
        definition := pg_get_functiondef(item.new);
        target := item.name::text;
        execute format('alter extension pgq drop function %s', target);
        execute format('drop function %s', target);
        execute format('alter function %s set schema pgq', item.oid::regprocedure);
        execute format('alter function %s owner to current_user', target);
        execute definition;
        execute format('comment on function %s is null', target);
        execute format('alter extension pgq add function %s', target);
    end loop;

    -- An old snapshot must go on seeing the queues' rows, so the extension gets
    -- our tables in place of the empty ones that it has made.
    select array_agg(c.relname::text order by x.nr), max(e.extcondition) into config, conditions
        from pg_extension e, unnest(e.extconfig) with ordinality x (id, nr), pg_class c
        where e.extname = 'pgq' and c.oid = x.id;
    for item in
        select c.relname, case c.relkind when 'r' then 'table' else 'sequence' end as kind
        from pg_class c where c.relnamespace = 'pgq'::regnamespace and c.relkind in ('r', 'S')
    loop
        execute format('alter extension pgq drop %s pgq.%I', item.kind, item.relname);
        members := members || format('%s pgq.%I', item.kind, item.relname);
    end loop;
    drop table pgq.tick, pgq.subscription, pgq.retry_queue, pgq.queue, pgq.consumer, pgq.event_template;
    drop sequence pgq.batch_id_seq;
    for item in
        select c.relname from pg_class c
        where c.relnamespace = 'pgq_moving'::regnamespace and c.relkind in ('r', 'S')
            and not exists (select from pg_depend d -- those of serial columns come along
                where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.refclassid = 'pg_class'::regclass and d.deptype in ('a', 'i'))
    loop
        execute format('alter table pgq_moving.%I set schema pgq', item.relname);
        execute format('alter table pgq.%I owner to current_user', item.relname);
    end loop;
    -- For calls of ours that are at work and wait for these locks.
    execute format('grant usage on sequence pgq.batch_id_seq, pgq.consumer_co_id_seq, pgq.queue_queue_id_seq, '
        'pgq.subscription_sub_id_seq to %I', owner);
    foreach one in array members loop
        execute format('alter extension pgq add %s', one);
    end loop;
    -- What pg_dump is to take along, which only the extension's own script may say.
    update pg_extension
        set extconfig = array(select to_regclass(format('pgq.%I', n))::oid from unnest(config) with ordinality x (n, nr) order by nr),
            extcondition = conditions
        where extname = 'pgq';

    for item in select p.oid::regprocedure as name from pg_proc p where p.pronamespace = 'pgq_moving'::regnamespace loop
        execute format('drop function %s', item.name);
    end loop;
    drop schema pgq_moving; -- what else somebody has made in it stops it here
end
$to$;
