-- What stands on the provider's tables: one row a captured table.
-- key_numbers and key_operators run beside key_columns: the column's number
-- outlives a rename, the operator is the key index's own equality.
create table skytools.capture (
    capture_id serial primary key,
    queue_name text not null,
    table_oid oid not null,
    table_schema text not null,
    table_name text not null,
    mode text not null check (mode in ('statement', 'row')),
    format text not null check (format in ('json', 'urlenc', 'sql')),
    key_columns text[] not null,
    key_numbers int2[] not null,
    key_operators text[] not null,
    key_index text not null,
    key_deferrable bool not null,
    options jsonb not null default '{}',
    fingerprint text not null,
    installed_at timestamptz not null default now(),
    unique (queue_name, table_schema, table_name)
);

-- Who reads: the subscriber that a consumer name belongs to.
create table skytools.claim (
    queue_name text not null,
    consumer_name text not null,
    system_identifier text not null,
    database_oid bigint not null,
    database_name text not null,
    node_name text not null,
    epoch bigint not null,
    since timestamptz not null default now(),
    primary key (queue_name, consumer_name)
);
