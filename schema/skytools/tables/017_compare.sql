-- What the last comparisons of a subscriber's tables found. The times are
-- those of the ticks at which they were compared.
create table skytools.compared_table (
    queue_name text not null,
    table_name text not null,
    tick_id bigint not null,
    compared_at timestamptz not null,
    equal_at timestamptz,
    different_since timestamptz,
    missing bigint not null default 0,
    extra bigint not null default 0,
    differing bigint not null default 0,
    primary key (queue_name, table_name)
);
