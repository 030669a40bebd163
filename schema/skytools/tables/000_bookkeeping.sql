-- What the installer did. It is the first file that runs, and only its
-- successors may change these tables.
create table skytools.installation (
    only_row boolean primary key default true check (only_row),
    version int not null,
    grants_sum text not null default '',
    granted_roles text[] not null default '{}',
    installed_at timestamptz not null default now(),
    changed_at timestamptz not null default now()
);

-- Structure files that have been applied.
create table skytools.migration (
    file text primary key,
    sum text not null,
    applied_at timestamptz not null default now()
);

-- Function files as they stand, and the functions that each one made.
create table skytools.routine (
    file text primary key,
    sum text not null,
    signatures text[] not null
);
