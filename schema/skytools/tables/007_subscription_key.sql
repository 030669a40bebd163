-- Each batch makes two new versions of a consumer's row. While some transaction
-- is held open no dead one may go, and with the same key they would all be
-- looked at by every look-up, and by the check for uniqueness at every update.
-- sub_active differs between versions, so the newest is found first and only
-- its like are compared. That a consumer has one row is kept by registration,
-- which holds the consumer's row of pgq.consumer.
do $$
begin
    -- Not where the table is the real extension's: see skytools.beside_extension.
    if not exists (select from pg_extension where extname = 'pgq')
        or exists (select from pg_depend d
            where d.classid = 'pg_namespace'::regclass and d.objid = to_regnamespace('skytools')
                and d.refclassid = 'pg_extension'::regclass and d.deptype = 'e')
    then
        alter table skytools.coop_key drop constraint coop_key_sub_queue_sub_consumer_fkey;
        alter table pgq.subscription
            drop constraint subscription_pkey,
            add constraint subscription_pkey primary key (sub_queue, sub_consumer, sub_active);
    end if;
end
$$;
