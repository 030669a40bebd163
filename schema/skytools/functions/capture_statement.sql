create or replace function skytools.capture_statement(
    i_capture skytools.capture, i_table oid, i_op text, i_again bool, i_into text, i_row text)
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
set quote_all_identifiers = off
as $$
-- i_op is INSERT, UPDATE, DELETE, KEY (delete of an UPDATE's old key), STAY (the
-- row that stays where another has left one deferrable key), TRUNCATE or REFILL
-- (the rows that stand in the table after a TRUNCATE); or a query, MOVED or REKEYED.
-- i_row is the source of changed rows: a transition table, a trigger's record,
-- or a parameter that holds one; then the second one holds the old row.
declare
    op text := case i_op when 'KEY' then 'DELETE' when 'STAY' then 'UPDATE' when 'REFILL' then 'INSERT' else i_op end;
    backup bool := i_capture.options ? 'backup' and i_op = 'UPDATE' and not i_capture.options ? 'ev_extra2';
    fields text[] := array(select f from unnest('{ev_extra2,ev_extra3,ev_extra4}'::text[]) f
                            where i_capture.options ? f or f = 'ev_extra2' and backup order by f);
    head text := format('insert into %s (ev_time, ev_type, ev_data, ev_extra1%s) select current_timestamp, %s, ', i_into,
                        array_to_string(array(select ', ' || f from unnest(fields) f), ''),
                        case when i_capture.options ? 'ev_type' and op <> 'TRUNCATE' then 'skytools_d.ev_type'
                             else quote_literal(skytools.capture_type(i_capture, i_table, op)) end);
    tail text := ', ' || case when i_capture.options ? 'ev_extra1' and op <> 'TRUNCATE' then 'skytools_d.ev_extra1'
                              else quote_literal(i_capture.table_schema || '.' || i_capture.table_name) end
              || array_to_string(array(select ', ' || case when op = 'TRUNCATE' then 'null' when f = 'ev_extra2' and backup then 'skytools_d.backup'
                                                           else 'skytools_d.' || f end from unnest(fields) f), '');
    record bool := i_row in ('old', 'new');
    alias text := case when record then i_row else 'skytools_n' end;
    source text := case when record then '' when i_row like '$%' then format('(select (%s).*) skytools_n', i_row)
                        else i_row || ' skytools_n' end;
    same text := case when not skytools.capture_exact(i_capture) then skytools.capture_match(i_capture, i_table, 'skytools_c', alias)
              || ' and ' || skytools.capture_stands(i_capture, i_op) end;
    here text := skytools.capture_named(i_table) || ' skytools_c';
    old text := case when backup then skytools.capture_backup(i_capture, i_table, i_row) end;
    data text;
begin
    if i_op = 'MOVED' then
        return skytools.capture_moved(i_capture, i_table);
    elsif i_op = 'REKEYED' then
        return 'select ' || coalesce('not (' || skytools.capture_match(i_capture, i_table, '($1)', '($2)') || ')', 'true');
    elsif i_op = 'TRUNCATE' then
        return head || format('%L', case i_capture.format when 'json' then '{}' else '' end) || tail;
    elsif i_op = 'REFILL' then
        data := skytools.capture_data(i_capture, i_table, op, 'skytools_c', here, null);
    elsif same is null and (i_op = 'STAY' or i_op = 'KEY' and not record) then
        data := skytools.capture_data(i_capture, i_table, op, alias, source, 'false');
    elsif not i_again or same is null then
        data := skytools.capture_data(i_capture, i_table, op, alias, source, null, old);
    elsif op = 'DELETE' then
        data := skytools.capture_data(i_capture, i_table, op, alias, source,
                                      format('not exists (select from %s where %s)', here, same));
    elsif record then
        data := skytools.capture_data(i_capture, i_table, op, 'skytools_c', here, same, old);
    else
        data := skytools.capture_data(i_capture, i_table, op, 'skytools_c',
                                      format('%s join %s on %s', source, here, same), null, old);
    end if;
    return head || case when i_capture.options ? 'ev_data' then 'skytools_d.ev_data' else 'skytools_d.data' end || tail || ' from (' || data || ') skytools_d';
end;
$$;
comment on function skytools.capture_statement(skytools.capture, oid, text, bool, text, text) is
    'The INSERT that writes the events of one operation to one event table; the same text stands in generated functions and is built anew when the table has changed since.';
