-- Ticks that no reader merges past, made for somebody who reads the database
-- under the very snapshot that the tick has. One is written by the transaction
-- that writes its tick: who sees a later tick sees the barrier. It ends by
-- itself, because whoever asked for it may die.
create table skytools.barrier (
    queue_name text not null,
    tick_id bigint not null,
    kind text not null,
    consumer_name text,
    until timestamptz not null,
    primary key (queue_name, tick_id)
);

-- Snapshots of a subscriber that stands exactly at a barrier's tick. They are
-- open in a session of the worker's as long as the row is there, and not
-- longer than until.
create table skytools.barrier_snapshot (
    queue_name text not null,
    consumer_name text not null,
    tick_id bigint not null,
    snapshot_id text not null,
    until timestamptz not null,
    primary key (queue_name, consumer_name, tick_id)
);
