create or replace function pgq.maint_operations(out func_name text, out func_arg text)
returns setof record
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    rotating boolean;
begin
    return query
        select 'pgq.maint_rotate_tables_step1', q.queue_name from pgq.queue q
        where q.queue_rotation_period is not null and q.queue_switch_step2 is not null
            and q.queue_switch_time + q.queue_rotation_period < now()
        order by q.queue_name;
    rotating := found;
    if rotating or exists (select from pgq.queue q where q.queue_switch_step2 is null) then
        return query select 'pgq.maint_rotate_tables_step2', null::text;
    end if;
    return query
        select x.func, q.queue_name from pgq.queue q, unnest(q.queue_extra_maint) with ordinality x (func, nr)
        order by q.queue_name, x.nr;
    if exists (select from skytools.backlog_warning) or exists (select from skytools.queue_policy p
        where (p.backlog_warn_age, p.backlog_max_age, p.backlog_warn_bytes, p.backlog_max_bytes) is distinct from (null, null, null, null))
    then
        return query select 'skytools.maint_backlog', null::text;
    end if;
    if exists (select from skytools.once_key) or exists (select from skytools.dead_event)
        or exists (select from skytools.delayed_event) or exists (select from skytools.batch_cut)
    then
        return query select 'skytools.maint_purge', null::text;
    end if;
    return query select 'vacuum', t from pgq.maint_tables_to_vacuum() t;
    return query
        select 'pgq_node.maint_watermark', n.queue_name from pgq_node.node_info n
        where n.node_type = 'root' order by n.queue_name;
    if to_regprocedure('londiste.root_check_seqs(text)') is not null then
        return query
            select 'londiste.root_check_seqs', n.queue_name from pgq_node.node_info n
            where n.node_type = 'root'
                and exists (select from londiste.seq_info s where s.queue_name = n.queue_name and s.local)
            order by n.queue_name;
    end if;
    if to_regprocedure('londiste.periodic_maintenance()') is not null then
        return query select 'londiste.periodic_maintenance', null::text;
    end if;
end;
$$;

comment on function pgq.maint_operations() is
'What maintenance is to do now, in order: call each function in a transaction of its own, again while it returns 1; vacuum is a statement.';
