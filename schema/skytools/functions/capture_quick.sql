create or replace function skytools.capture_quick(i_capture skytools.capture, i_table oid, i_op text, i_row text)
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- The usual case in one expression and one statement. A single row pays for
-- each expression's nodes, set up anew in each transaction, more than for its
-- event. So the planner folds what it can: whether the table is as it was and
-- whether triggers are switched off. What is left is the setting that the
-- general part has made, see capture_again: the event table to try, or with
-- this message's mark behind it nothing to try. The statement's InitPlan makes
-- sure of the table by the queue's row. A wrong guess, a second run, a closed
-- queue, a changed table and an empty transition table write nothing here, and
-- the general part follows. An empty one leaves no mark: an upsert fires both
-- kinds of trigger. The expression comes first because a statement that names a
-- column which is gone cannot even be planned; the regclass makes its plan
-- depend on the table, see capture_shape.
declare
    q pgq.queue;
    run text := format('skytools.run_%s', i_capture.capture_id);
    message text := skytools.capture_message();
    body text := format($f$guess := case when %1$s and %2$L::pg_catalog.regclass is not null
    and skytools.capture_role() OPERATOR(pg_catalog.<>) 'local' then pg_catalog.current_setting(%3$L, true) end;
if pg_catalog.length(guess) OPERATOR(pg_catalog.>) 16 then
    guess := case when %4$s then pg_catalog.left(guess, -16) end;
end if;
$f$, skytools.capture_intact(i_capture, i_table), i_table::int8, run,
        case when skytools.capture_lacks(i_capture, 'first_run') then 'true'
             else 'pg_catalog.right(guess, 16) OPERATOR(pg_catalog.<>) ' || message end);
begin
    if i_op = 'DELETE' and i_capture.key_deferrable then
        return '';  -- a delete has no plain form there
    end if;
    select * into strict q from pgq.queue where queue_name = i_capture.queue_name;
    for n in 0 .. q.queue_ntables - 1 loop
        body := body || format($f$%1$s guess OPERATOR(pg_catalog.=) '%3$s' then
    %4$s where exists (select from pgq.queue q where q.queue_id OPERATOR(pg_catalog.=) %2$s and q.queue_name OPERATOR(pg_catalog.=) %5$L
        and q.queue_cur_table OPERATOR(pg_catalog.=) %3$s and not q.queue_disable_insert and q.queue_per_tx_limit is null);
$f$,
            case n when 0 then 'if' else 'elsif' end, q.queue_id, n,
            skytools.capture_statement(i_capture, i_table, i_op, false, q.queue_data_pfx || '_' || n, i_row),
            i_capture.queue_name);
    end loop;
    return body || format(E'end if;\nif found then\n    guess := pg_catalog.set_config(%L, guess OPERATOR(pg_catalog.||) %s, true);\n'
                          '    return null;\nend if;\n', run, message);
end;
$$;
comment on function skytools.capture_quick(skytools.capture, oid, text, text) is
    'The short way of a statement trigger: one INSERT that does all checks, or writes nothing.';
