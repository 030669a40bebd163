-- One row, which goes with the rows of all unlogged tables when the server
-- recovers from a crash, is promoted or comes from a base backup.
create unlogged table skytools.witness (
    only_one boolean primary key default true check (only_one),
    token text not null
);

-- The witnesses that a worker has seen of either side.
alter table skytools.worker_state add column provider_witness text, add column subscriber_witness text;
