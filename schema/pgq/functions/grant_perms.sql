create or replace function pgq.grant_perms(x_queue_name text) returns int
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
declare
    q pgq.queue;
    base text;
begin
    select * into q from pgq.queue where queue_name = x_queue_name;
    if not found then
        raise exception 'Queue not found'
            using errcode = 'undefined_object', hint = 'pgq.get_queue_info() lists the queues';
    end if;
    execute format('grant select on sequence %s, %s to public',
        pgq.quote_fqname(q.queue_event_seq), pgq.quote_fqname(q.queue_tick_seq));
    if to_regrole('pgq_admin') is not null then
        execute format('grant usage on sequence %s to pgq_admin', pgq.quote_fqname(q.queue_event_seq));
    end if;
    base := substr(q.queue_data_pfx, length('pgq.') + 1);
    perform pgq._grant_perms_from('pgq', 'event_template', 'pgq', base);
    for i in 0 .. q.queue_ntables - 1 loop
        perform pgq._grant_perms_from('pgq', 'event_template', 'pgq', base || '_' || i);
    end loop;
    return 1;
end;
$$;

comment on function pgq.grant_perms(text) is
'Gives the queue''s event tables the rights of pgq.event_template. Returns 1.';
