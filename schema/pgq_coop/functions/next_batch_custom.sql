create or replace function pgq_coop.next_batch_custom(
    i_queue_name text, i_consumer_name text, i_subconsumer_name text,
    i_min_lag interval, i_min_count int, i_min_interval interval, i_dead_interval interval)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    return (select b.batch_id
        from skytools.coop_next_batch(i_queue_name, i_consumer_name, i_subconsumer_name,
            i_dead_interval, i_min_lag, i_min_count, i_min_interval) b);
end;
$$;

comment on function pgq_coop.next_batch_custom(text, text, text, interval, int, interval, interval) is
'next_batch of a cooperative consumer''s member, with the limits of pgq.next_batch_custom.';

create or replace function pgq_coop.next_batch_custom(
    i_queue_name text, i_consumer_name text, i_subconsumer_name text,
    i_min_lag interval, i_min_count int, i_min_interval interval)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    return pgq_coop.next_batch_custom(i_queue_name, i_consumer_name, i_subconsumer_name,
        i_min_lag, i_min_count, i_min_interval, null);
end;
$$;

comment on function pgq_coop.next_batch_custom(text, text, text, interval, int, interval) is
'next_batch of a cooperative consumer''s member, with the limits of pgq.next_batch_custom.';
