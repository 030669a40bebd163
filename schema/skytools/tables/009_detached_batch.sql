-- The batch that a detached consumer had open, which attaching opens again.
alter table skytools.detached_consumer
    add column next_tick bigint,
    add column batch_id bigint,
    add check ((next_tick is null) = (batch_id is null));
