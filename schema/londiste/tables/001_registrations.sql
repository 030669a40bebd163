create table londiste.table_info (
    nr serial not null,
    queue_name text not null references pgq_node.node_info,
    table_name text not null,
    local boolean not null default false,
    merge_state text,
    custom_snapshot text,
    dropped_ddl text,
    table_attrs text,
    dest_table text,
    primary key (queue_name, table_name),
    check (dropped_ddl is null or merge_state in ('in-copy', 'catching-up'))
);

create table londiste.seq_info (
    nr serial not null,
    queue_name text not null references pgq_node.node_info,
    seq_name text not null,
    local boolean not null default false,
    last_value bigint not null,
    primary key (queue_name, seq_name)
);

create table londiste.applied_execute (
    queue_name text not null references pgq_node.node_info,
    execute_file text not null primary key,
    execute_time timestamptz not null default now(),
    execute_sql text not null,
    execute_attrs text
);

create table londiste.pending_fkeys (
    from_table text not null,
    to_table text not null,
    fkey_name text not null,
    fkey_def text not null,
    primary key (from_table, fkey_name)
);
