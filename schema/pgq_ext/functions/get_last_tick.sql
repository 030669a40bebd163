create or replace function pgq_ext.get_last_tick(a_consumer text, a_subconsumer text) returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
begin
    return (select last_tick_id from pgq_ext.completed_tick
        where consumer_id = a_consumer and subconsumer_id = a_subconsumer);
end;
$$;

comment on function pgq_ext.get_last_tick(text, text) is
'Tick up to which the consumer''s member has written here; NULL: none.';

create or replace function pgq_ext.get_last_tick(a_consumer text) returns bigint
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    return pgq_ext.get_last_tick(a_consumer, '');
end;
$$;

comment on function pgq_ext.get_last_tick(text) is
'Tick up to which the consumer has written here; NULL: none.';
