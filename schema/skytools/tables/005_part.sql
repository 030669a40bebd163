-- Open batches that are read in parts: what is left to do of each, the parts in
-- the order of event ids. A finished part's row goes.
create table skytools.batch_part (
    batch_id bigint not null,
    part_nr int not null,
    first_ev_id bigint,
    last_ev_id bigint,
    part_events int not null,
    part_bytes bigint not null,
    -- where its events lie: for each table that has any the name, the file as
    -- of then, and the first and last place in it
    part_places jsonb not null,
    primary key (batch_id, part_nr)
);

-- How such a batch was cut.
create table skytools.batch_cut (
    batch_id bigint primary key,
    part_count int not null,
    max_events int,
    max_bytes bigint
);
