-- Consumers whose backlog is over a queue's warning, as of the last look.
create table skytools.backlog_warning (
    warn_queue int not null,
    warn_consumer text not null,
    since timestamptz not null default now(),
    backlog_age interval,
    backlog_bytes bigint,
    reason text not null,
    primary key (warn_queue, warn_consumer)
);

-- Consumers that were detached because of their backlog, and where they stood.
-- sub_id is kept for the retry events, which wait under it.
create table skytools.detached_consumer (
    detached_queue int not null,
    detached_consumer text not null,
    sub_id int not null,
    last_tick bigint not null,
    tick_time timestamptz,
    detached_at timestamptz not null default now(),
    backlog_age interval,
    backlog_bytes bigint,
    reason text not null,
    primary key (detached_queue, detached_consumer)
);
