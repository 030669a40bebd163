-- What a consumer has done, kept in the database that it writes to. Without
-- members subconsumer_id is empty.
create table pgq_ext.completed_tick (
    consumer_id text not null,
    subconsumer_id text not null,
    last_tick_id bigint not null,
    constraint completed_tick_pkey primary key (consumer_id, subconsumer_id)
);

create table pgq_ext.completed_batch (
    consumer_id text not null,
    subconsumer_id text not null,
    last_batch_id bigint not null,
    constraint completed_batch_pkey primary key (consumer_id, subconsumer_id)
);

create table pgq_ext.completed_event (
    consumer_id text not null,
    subconsumer_id text not null,
    batch_id bigint not null,
    event_id bigint not null,
    constraint completed_event_pkey primary key (consumer_id, subconsumer_id, batch_id, event_id)
);

create table pgq_ext.partial_batch (
    consumer_id text not null,
    subconsumer_id text not null,
    cur_batch_id bigint not null,
    constraint partial_batch_pkey primary key (consumer_id, subconsumer_id)
);
