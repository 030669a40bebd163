-- The copy of a table that is under way, or was made last: its ledger and
-- its progress. shape is what chunks of several attempts must have in common
-- (columns, format, the file of the provider's rows). Figures are those of the
-- last look, see reported_at.
create table skytools.copy_table (
    queue_name text not null,
    table_name text not null,
    started_at timestamptz not null default clock_timestamp(),
    finished_at timestamptz,
    attempt int not null default 0,
    shape text,
    rows_expected bigint,
    bytes_expected bigint,
    rows_copied bigint not null default 0,
    bytes_copied bigint not null default 0,
    bytes_per_second float8,
    reported_at timestamptz,
    primary key (queue_name, table_name)
);

-- Ranges of the provider's pages, [first_page, end_page). A line is finished
-- (attempt is set) in the transaction that brings its rows.
create table skytools.copy_chunk (
    queue_name text not null,
    table_name text not null,
    first_page bigint not null,
    end_page bigint,
    attempt int,
    rows_copied bigint not null default 0,
    bytes_copied bigint not null default 0,
    finished_at timestamptz,
    primary key (queue_name, table_name, first_page),
    foreign key (queue_name, table_name) references skytools.copy_table on delete cascade
);

-- An index by which rows are told apart: it is there again before the table's
-- own events are applied, the others come later.
alter table skytools.pending_ddl add column is_key boolean not null default false;
