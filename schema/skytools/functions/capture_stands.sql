create or replace function skytools.capture_stands(i_capture skytools.capture, i_op text)
returns text
language sql immutable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- Whatever is looked up in the table by the key of a row that this transaction
-- changed is this transaction's own, or gone. A REPEATABLE READ writer also
-- sees the row that another has deleted since its snapshot: age() of what the
-- own transaction, or a part of it, wrote is zero or less.
-- Under a deferrable key a row may come beside one of somebody else's and leave
-- again: what stays is that row, unless an old snapshot shows what is gone: a row that
-- nobody has touched is there, see capture_alive for the others.
select case
    when skytools.capture_lacks(i_capture, 'own_rows') then 'true'
    when i_capture.key_deferrable and i_op in ('DELETE', 'KEY', 'STAY') then
        '(pg_catalog.age(skytools_c.xmin) OPERATOR(pg_catalog.<=) 0'
        ' or ' || skytools.capture_reads() ||
        ' or skytools_c.xmax OPERATOR(pg_catalog.=) ''0''::pg_catalog.xid'
        ' or skytools.capture_alive(' || i_capture.table_oid::int8 || ', skytools_c.ctid, skytools_c.tableoid))'
    else 'pg_catalog.age(skytools_c.xmin) OPERATOR(pg_catalog.<=) 0' end;
$$;
comment on function skytools.capture_stands(skytools.capture, text) is
    'Condition that the row skytools_c, found by a key, is what the transaction leaves under it.';
