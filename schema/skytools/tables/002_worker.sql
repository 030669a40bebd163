-- The fence of a worker at its subscriber. Every writing transaction holds
-- the row FOR SHARE where epoch is its own; a takeover updates it.
create table skytools.lease (
    queue_name text not null,
    consumer_name text not null,
    epoch bigint not null,
    holder text not null,
    taken_at timestamptz not null default now(),
    primary key (queue_name, consumer_name)
);

-- What a worker knows of its provider, beside pgq_node.local_state.
create table skytools.worker_state (
    queue_name text not null,
    consumer_name text not null,
    provider_system_identifier text not null,
    provider_timeline int not null,
    last_tick_time timestamptz,
    updated_at timestamptz not null default now(),
    primary key (queue_name, consumer_name)
);

-- Counters of one table, written with the position:
-- events = applied + coalesced + filtered + skipped.
create table skytools.table_counter (
    queue_name text not null,
    consumer_name text not null,
    table_name text not null,
    events bigint not null default 0,
    applied bigint not null default 0,
    coalesced bigint not null default 0,
    filtered bigint not null default 0,
    skipped bigint not null default 0,
    by_sets bigint not null default 0,
    fallbacks bigint not null default 0,
    diverged bigint not null default 0,
    primary key (queue_name, consumer_name, table_name)
);

-- DDL of a replicated table's objects that are dropped or disabled for a
-- while, in the order in which it is to be run again.
create table skytools.pending_ddl (
    pending_id serial primary key,
    queue_name text not null,
    table_name text not null,
    kind text not null check (kind in ('index', 'constraint', 'trigger')),
    object_name text not null,
    ddl text not null,
    unique (queue_name, table_name, kind, object_name)
);
