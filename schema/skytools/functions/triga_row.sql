create or replace function skytools.triga_row(
    i_format text, i_op text, i_when text, i_level text, i_relid oid, i_schema text, i_table text, i_args text[],
    i_old record, i_new record)
returns bool
language plpgsql volatile
as $$
-- Runs with the writer's rights and search_path: everything is qualified.
-- Returns whether the operation is to be dropped.
declare
    m pg_catalog.text[];
    queue pg_catalog.text := i_args[pg_catalog.array_lower(i_args, 1)];
    new_row pg_catalog.text; old_row pg_catalog.text;
    v pg_catalog.text[]; o pg_catalog.text[];
    pin pg_catalog.bool := false;
begin
    if i_level OPERATOR(pg_catalog.<>) 'ROW' or i_args is null then
        perform skytools.triga_refuse(i_op, i_when, i_level, i_schema, i_table, i_args, '');
    end if;
    m := skytools.triga_known(i_format, i_relid, i_args);
    if pg_catalog.left(m[7], 1) OPERATOR(pg_catalog.<>) 'k' then
        perform skytools.triga_refuse(i_op, i_when, i_level, i_schema, i_table, i_args, m[7]);
    end if;
    if m[6] OPERATOR(pg_catalog.<>) '' and pg_catalog.strpos(m[7], 'u') OPERATOR(pg_catalog.=) 0 then
        pin := skytools.triga_foreign(m[6]);
    end if;

    if i_op OPERATOR(pg_catalog.<>) 'DELETE' then
        new_row := case when pin then skytools.triga_text(i_new) else i_new::pg_catalog.text end;
        v := skytools.triga_values(i_format, new_row, m[1]::pg_catalog.int4);
    end if;
    if i_op OPERATOR(pg_catalog.<>) 'INSERT' then
        old_row := case when pin then skytools.triga_text(i_old) else i_old::pg_catalog.text end;
        o := skytools.triga_values(i_format, old_row, m[1]::pg_catalog.int4);
    end if;
    if pg_catalog.cardinality(coalesce(v, o)) OPERATOR(pg_catalog.<>) m[1]::pg_catalog.int4 then
        raise exception 'table %.% has changed since the snapshot of this transaction was taken', i_schema, i_table
            using errcode = 'serialization_failure', hint = 'Run the transaction again.';
    end if;
    if m[14] OPERATOR(pg_catalog.<>) '' and pg_catalog.strpos(m[7], 'u') OPERATOR(pg_catalog.>) 0 then
        v := case when v is not null then skytools.triga_iso(v, i_new, m) end;
        o := case when o is not null then skytools.triga_iso(o, i_old, m) end;
    end if;
    if i_op OPERATOR(pg_catalog.=) 'INSERT' then
        perform skytools.triga_event(i_format, i_op, queue, i_schema, i_table, m, v, null, i_new, new_row);
    elsif i_op OPERATOR(pg_catalog.=) 'DELETE' then
        perform skytools.triga_event(i_format, i_op, queue, i_schema, i_table, m, o, null, i_old, old_row);
    else
        perform skytools.triga_update(i_format, i_when, i_relid, queue, i_schema, i_table, m, v, o, i_new, new_row, i_old, old_row);
    end if;
    return pg_catalog.strpos(m[7], 's') OPERATOR(pg_catalog.>) 0;
end;
$$;
comment on function skytools.triga_row(text, text, text, text, oid, text, text, text[], record, record) is
    'What pgq.logutriga, sqltriga and jsontriga do for a row. True if the operation is to be dropped.';
