create or replace function skytools.triga_update(
    i_format text, i_when text, i_relid oid, i_queue text, i_schema text, i_table text,
    m text[], i_new_values text[], i_old_values text[], i_new record, i_new_row text, i_old record, i_old_row text)
returns void
language plpgsql volatile
as $$
-- Runs with the writer's search_path. A row that changes its key is told as the
-- old one's end and the new one's beginning, each as its expressions have it.
-- An immediate key is free when a row takes it, so in the rows' order this can
-- be replayed. Under a deferrable key rows may swap theirs: an old key that
-- another row has now is not deleted, and a new one is, before it is inserted.
declare
    v pg_catalog.text[] := i_new_values;
    loose pg_catalog.bool := pg_catalog.strpos(m[7], 't') OPERATOR(pg_catalog.>) 0 and i_when OPERATOR(pg_catalog.=) 'AFTER';
begin
    if pg_catalog.strpos(m[7], 'u') OPERATOR(pg_catalog.>) 0 then
        v := skytools.triga_same(i_relid, i_new_values, i_old_values, i_new, i_old);
    end if;
    if pg_catalog.format(m[4], variadic v) OPERATOR(pg_catalog.<>) pg_catalog.format(m[4], variadic i_old_values) then
        if pg_catalog.strpos(m[7], 'u') OPERATOR(pg_catalog.>) 0 then
            raise exception 'primary key update not allowed' using errcode = 'object_not_in_prerequisite_state',
                hint = 'Leave the argument upstream out: then such a change is told as DELETE and INSERT.';
        end if;
        if not loose or not skytools.triga_taken(i_relid, m, i_old) then
            perform skytools.triga_event(i_format, 'DELETE', i_queue, i_schema, i_table, m, i_old_values, null, i_old, i_old_row);
        end if;
        if loose then
            perform skytools.triga_event(i_format, 'DELETE', i_queue, i_schema, i_table, m, i_new_values, null, i_new, i_new_row);
        end if;
        perform skytools.triga_event(i_format, 'INSERT', i_queue, i_schema, i_table, m, i_new_values, null, i_new, i_new_row);
        return;
    end if;
    -- An UPDATE that changes nothing at all is told.
    if pg_catalog.strpos(m[7], 'i') OPERATOR(pg_catalog.>) 0 and v OPERATOR(pg_catalog.<>) i_old_values
       and pg_catalog.format(m[5], variadic v) OPERATOR(pg_catalog.=) pg_catalog.format(m[5], variadic i_old_values) then
        return;
    end if;
    perform skytools.triga_event(i_format, 'UPDATE', i_queue, i_schema, i_table, m,
                                 case when i_format OPERATOR(pg_catalog.=) 'sql' then v else i_new_values end, i_old_values, i_new, i_new_row);
end;
$$;
comment on function skytools.triga_update(text, text, oid, text, text, text, text[], text[], text[], record, text, record, text) is
    'What pgq.logutriga, sqltriga and jsontriga do for a changed row.';
