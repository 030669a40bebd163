create or replace function skytools.capture_quick(i_capture skytools.capture, i_table oid, i_op text, i_row text)
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- The usual case in one expression and one statement. The expression asks
-- whether the table is as it was, whether triggers are switched off and whether
-- this is the message's first run, and then tells which event table to try: the
-- one that the general part left in the session. The statement's InitPlan makes
-- sure of it by the queue's row. A wrong guess, a second run, a closed queue, a
-- changed table and an empty transition table write nothing here, and the
-- general part follows. An empty one leaves no mark: an upsert fires both kinds
-- of trigger. The expression comes first because a statement that names a
-- column which is gone cannot even be planned. pg_typeof keeps the table's
-- regclass in its plan, see capture_shape.
declare
    q pgq.queue;
    run text := format('skytools.run_%s', i_capture.capture_id);
    message text := skytools.capture_message();
    fresh text := case when skytools.capture_lacks(i_capture, 'first_run') then 'true'
        else format('coalesce(pg_catalog.current_setting(%L, true) OPERATOR(pg_catalog.<>) %s, true)', run, message) end;
    body text := format(E'guess := case when %s and pg_catalog.pg_typeof(%L::pg_catalog.regclass) is not null '
                        'and pg_catalog.current_setting(''session_replication_role'') OPERATOR(pg_catalog.<>) ''local'' '
                        'and %s then pg_catalog.current_setting(''skytools.event_table_%s'', true) end;\n',
                        skytools.capture_intact(i_capture, i_table), i_table::int8, fresh,
                        (select k.queue_id from pgq.queue k where k.queue_name = i_capture.queue_name));
begin
    if i_op = 'DELETE' and i_capture.key_deferrable then
        return '';  -- a delete has no plain form there
    end if;
    select * into strict q from pgq.queue where queue_name = i_capture.queue_name;
    for n in 0 .. q.queue_ntables - 1 loop
        body := body || format($f$
%1$s guess OPERATOR(pg_catalog.=) '%3$s' then
    %4$s where (select q.queue_cur_table OPERATOR(pg_catalog.=) %3$s and not q.queue_disable_insert and q.queue_per_tx_limit is null
        from pgq.queue q where q.queue_id OPERATOR(pg_catalog.=) %2$s and q.queue_name OPERATOR(pg_catalog.=) %5$L);$f$,
            case n when 0 then 'if' else 'elsif' end, q.queue_id, n,
            skytools.capture_statement(i_capture, i_table, i_op, false, q.queue_data_pfx || '_' || n, i_row),
            i_capture.queue_name);
    end loop;
    return body || format(E'\nend if;\nif found then\n    mark := pg_catalog.set_config(%L, %s, true);\n    return null;\nend if;\n',
                          run, message);
end;
$$;
comment on function skytools.capture_quick(skytools.capture, oid, text, text) is
    'The short way of a statement trigger: one INSERT that does all checks, or writes nothing.';
