create or replace function skytools.capture_prologue(i_capture skytools.capture, i_table oid, i_row text)
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- What each generated function does first: read the queue's row once, learn
-- whether the table still has the shape the text below it was made for, refuse
-- if the queue is closed, and read the mark.
declare
    queue_id int;
    tables int;
begin
    select q.queue_id, q.queue_ntables into strict queue_id, tables from pgq.queue q where q.queue_name = i_capture.queue_name;

    return format($f$
select q.queue_cur_table, q.queue_disable_insert, q.queue_per_tx_limit, %1$L::pg_catalog.regclass,
       q.queue_cur_table OPERATOR(pg_catalog.<) %7$s and %2$s
  into cur, closed, tx_limit, watched, intact
  from pgq.queue q
 where q.queue_id OPERATOR(pg_catalog.=) %3$s and q.queue_name OPERATOR(pg_catalog.=) %4$L;
if cur is null then
    raise exception 'No such queue' using errcode = 'undefined_object',
        hint = 'The queue is gone: create it and add the table again, or remove the table.';
end if;
if closed and pg_catalog.current_setting('session_replication_role') OPERATOR(pg_catalog.<>) 'replica'%5$s then
    raise exception 'Insert into queue disallowed' using errcode = 'object_not_in_prerequisite_state',
        hint = 'this node is not the root of its set: write there';
end if;
mark := pg_catalog.current_setting('skytools.run_%6$s', true);
$f$,
        i_table::int8,
        skytools.capture_intact(i_capture, i_table),
        queue_id, i_capture.queue_name,
        case when i_row like '%\_t' then format(' and exists (select from %s)', i_row) else '' end,
        i_capture.capture_id, tables);
end;
$$;
comment on function skytools.capture_prologue(skytools.capture, oid, text) is
    'First part of every generated function''s body.';
