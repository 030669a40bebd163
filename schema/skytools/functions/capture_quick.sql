create or replace function skytools.capture_quick(i_capture skytools.capture, i_table oid, i_op text, i_row text, i_plain text)
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- The usual case in one condition and one statement. A single row pays for
-- each expression's nodes, set up anew in each transaction, more than for its
-- event. So the planner folds what it can: whether the table is as it was,
-- whether triggers are switched off, and which event table is to be written
-- without more ado, see queue_table. What is left is the session's setting,
-- which has to be there and not to be this message's, see capture_again; every
-- text starts with the empty one that RESET ALL leaves. A second run, a closed
-- queue and a changed table write nothing here, and the
-- general part follows; so it does if the queue changes after the condition,
-- for every expression has a plan of its own: none but a branch that has
-- written may return. An empty transition table leaves no mark: an upsert
-- fires both kinds of trigger. The condition comes first because a statement
-- that names a column which is gone cannot even be planned; the regclass makes
-- its plan depend on the table, see capture_shape. To return a variable is
-- cheap, NULL would be an expression to be evaluated.
-- i_plain: where an UPDATE may change a key unseen, see capture_listed, each
-- row's old key is compared with its new one. Plans need not agree here: a key
-- that was listed has left a mark.
-- An upsert that finds its row fires an UPDATE's run, which leaves its mark, and
-- then an INSERT's without a row: that one has done its work.
declare
    q pgq.queue;
    run text := format('skytools.run_%s', i_capture.capture_id);
    cur text;
    condition text;
    mark text;
    write text;
begin
    if i_op = 'DELETE' and i_capture.key_deferrable then
        return '';  -- a delete has no plain form there
    end if;
    select * into strict q from pgq.queue where queue_name = i_capture.queue_name;
    cur := format('skytools.queue_%s_table()', q.queue_id);
    condition := format($f$%1$s and %2$L::pg_catalog.regclass is not null
    and skytools.capture_role() OPERATOR(pg_catalog.<>) 'local' and %3$s OPERATOR(pg_catalog.<) %4$s
    and not pg_catalog.starts_with(%6$s, pg_catalog.current_setting(%5$L, true))$f$,
        skytools.capture_intact(i_capture, i_table), i_table::int8, cur, q.queue_ntables, run,
        case when skytools.capture_lacks(i_capture, 'first_run') then quote_literal('') else 'message' end);
    mark := format(E'    mark := case when found then pg_catalog.set_config(%L, message, true) end;\n', run);
    write := skytools.capture_branches(i_capture, i_table, i_op, false, i_row, cur, mark || E'    return new;\n');
    if i_plain is null then
        return format(E'if %s then\n%send if;\n', condition, write)
            || case when i_op = 'INSERT' then E'if not exists (select from new_t) then\n    return new;\nend if;\n' else '' end;
    end if;
    return format(E'if %1$s\n    and %2$s then\n%3$selsif not %2$s\n    and %1$s then\n%4$sif not moved then\n%3$send if;\nend if;\n',
                  condition, i_plain, write, skytools.capture_compare(i_capture, i_table));
end;
$$;
comment on function skytools.capture_quick(skytools.capture, oid, text, text, text) is
    'The short way of a statement trigger: one condition, which the planner folds but for the mark, and one INSERT; or it writes nothing.';
