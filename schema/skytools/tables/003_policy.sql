-- What a queue does beyond PgQ, by queue_id: a queue made again under its name
-- starts without. No foreign keys: writers would lock the row of pgq.queue;
-- skytools.queue_forget and maintenance clear what belongs to a dropped queue.
create table skytools.queue_policy (
    queue_id int primary key,
    max_attempts int constraint max_attempts_positive check (max_attempts > 0),
    dead_keep interval constraint dead_keep_positive check (dead_keep > '0'),
    backlog_warn_age interval constraint backlog_warn_age_positive check (backlog_warn_age > '0'),
    backlog_max_age interval constraint backlog_max_age_positive check (backlog_max_age > '0'),
    backlog_warn_bytes bigint constraint backlog_warn_bytes_positive check (backlog_warn_bytes > 0),
    backlog_max_bytes bigint constraint backlog_max_bytes_positive check (backlog_max_bytes > 0),
    backlog_workers boolean not null default false
);

-- Events that a consumer gave up. The consumer is known by name: its letters
-- outlive its registration. An event is here or in pgq.retry_queue, not both.
create table skytools.dead_event (
    dead_id bigint generated always as identity primary key,
    dead_queue int not null,
    dead_consumer text not null,
    dead_time timestamptz not null default now(),
    dead_reason text not null,
    ev_id bigint not null,
    ev_time timestamptz not null,
    ev_retry int,
    ev_type text,
    ev_data text,
    ev_extra1 text,
    ev_extra2 text,
    ev_extra3 text,
    ev_extra4 text,
    unique (dead_queue, dead_consumer, ev_id)
);

-- Events that are not due yet. They get their ev_id when they are.
create table skytools.delayed_event (
    delayed_id bigint generated always as identity primary key,
    deliver_at timestamptz not null,
    ev_queue int not null,
    ev_type text,
    ev_data text,
    ev_extra1 text,
    ev_extra2 text,
    ev_extra3 text,
    ev_extra4 text
);

create index delayed_event_due_idx on skytools.delayed_event (deliver_at, delayed_id);

-- Keys that an event was written under.
create table skytools.once_key (
    key_queue int not null,
    key_text text not null,
    ev_id bigint not null,
    expires_at timestamptz not null,
    primary key (key_queue, key_text)
);

create index once_key_expires_idx on skytools.once_key (expires_at);
