-- Tables that a worker leaves aside because a change could not be applied to
-- them. The table holds the provider's rows as of tick_id; a consumer of its own
-- keeps the events after it at the provider.
--
--	retried_at is set   a retry is under way: the events are being applied
--	given_up is set     the events are not kept any more: only a copy mends it
create table skytools.parked_table (
    queue_name text not null,
    table_name text not null,
    parked_at timestamptz not null default clock_timestamp(),
    tick_id bigint not null,
    parked_with text, -- the table that could not be applied; this one refers to it
    error text not null,
    ev_id bigint,
    key text,
    statement text,
    retried_at timestamptz,
    given_up text,
    primary key (queue_name, table_name),
    check (retried_at is null or given_up is null)
);

-- Events that catching up passes over for one table, as its administrator said.
-- They stay on the list until the table is copied anew: its rows may differ.
create table skytools.skipped_event (
    queue_name text not null,
    table_name text not null,
    ev_id bigint not null,
    skipped_at timestamptz not null default clock_timestamp(),
    primary key (queue_name, table_name, ev_id)
);
