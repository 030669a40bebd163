-- Batches that were taken from a silent member of a cooperative consumer, so
-- that it can be told what became of them. Kept for a month.
create table skytools.coop_taken (
    batch_id bigint primary key,
    queue_name text not null,
    consumer_name text not null,
    member_name text not null,
    taken_by text not null,
    taken_at timestamptz not null default now()
);

-- Cooperative consumers that keep the order of each key. Events are spread
-- over slots by the key; the consumer's own row in pgq.subscription stands
-- where the slot furthest behind stands.
create table skytools.coop_key (
    sub_queue int not null,
    sub_consumer int not null,
    key text not null,
    slots int not null check (slots between 1 and 1024),
    primary key (sub_queue, sub_consumer),
    foreign key (sub_queue, sub_consumer) references pgq.subscription on delete cascade
);

-- Where each slot stands. One that is handed out has the batch in whose row of
-- pgq.subscription its member is found, and the tick where that ends.
create table skytools.coop_slot (
    sub_queue int not null,
    sub_consumer int not null,
    slot int not null,
    last_tick bigint not null,
    next_tick bigint,
    batch_id bigint,
    primary key (sub_queue, sub_consumer, slot),
    foreign key (sub_queue, sub_consumer) references skytools.coop_key on delete cascade,
    check ((next_tick is null) = (batch_id is null))
);

create index coop_slot_batch_idx on skytools.coop_slot (batch_id);
