create or replace function skytools.queue_grants(
    i_queue_name text default null, out queue_name text, out role_name name, out queue_right text)
returns setof record
language sql stable security definer
set search_path = pg_catalog, pgq, pg_temp
as $$
    select q.queue_name, r.rolname, g.queue_right
    from pgq.queue q
    cross join (values ('read', 'next_batch'), ('write', 'insert_events')) g (queue_right, sign)
    join pg_proc p on p.pronamespace = 'skytools'::regnamespace and p.proname = format('queue_%s_%s', q.queue_id, g.sign)
    cross join aclexplode(p.proacl) a
    join pg_roles r on r.oid = a.grantee
    where a.grantee <> p.proowner and r.rolname <> 'pgq_admin'
        and (q.queue_name = i_queue_name or i_queue_name is null)
    order by 1, 2, 3;
$$;

comment on function skytools.queue_grants(text) is
'Who may read or write a queue, or any, by skytools.grant_queue.';
