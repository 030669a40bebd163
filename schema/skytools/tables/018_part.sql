-- Parts of tables that are copied anew: the rows for which a condition is true at
-- either side, or those whose keys a comparison has found to differ. A line is
-- there from the command on until the table is ok again.
--
--	tick_id is null   the worker is to set the table aside, and its rows to be fetched
--	tick_id is set    the rows are the provider's as of the tick
create table skytools.resync_part (
    queue_name text not null,
    table_name text not null,
    condition text, -- null: the keys in resync_key
    asked_at timestamptz not null default clock_timestamp(),
    tick_id bigint,
    rows_deleted bigint,
    rows_inserted bigint,
    primary key (queue_name, table_name)
);

-- Each key is an object of its columns' texts. There is no foreign key: a worker's
-- session may have those switched off.
create table skytools.resync_key (
    queue_name text not null,
    table_name text not null,
    key jsonb not null
);
create index resync_key_of_table on skytools.resync_key (queue_name, table_name);
