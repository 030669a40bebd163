create or replace function skytools.capture_data(
    i_capture skytools.capture, i_table oid, i_op text, i_row text, i_from text, i_where text, i_backup text default null)
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- i_from is '' where i_row is a trigger's record. A table without special
-- columns is written whole, so that added and renamed columns just follow;
-- one with special columns is named column by column, which spares writing
-- those twice and keeps casts of their owner from running.
declare
    list text;
    fields text := skytools.capture_fields(i_capture, i_table, i_row) || coalesce(', ' || i_backup || ' as backup', '');
    condition text := concat_ws(' and ', i_where, skytools.capture_expression(i_capture, i_table, 'when', i_row));
    source text := case when i_from = '' then '' else ' from ' || i_from end
                || case when condition = '' then '' else ' where ' || condition end;
    unsafe bool := skytools.capture_lacks(i_capture, 'special');
begin
    if i_capture.format = 'sql' then
        return format('select %s as data%s%s', skytools.capture_sql(i_capture, i_table, i_op, i_row), fields, source);
    elsif i_capture.format = 'urlenc' then
        select string_agg(format('%L OPERATOR(pg_catalog.||) case when pg_catalog.num_nonnulls(%s.%s) OPERATOR(pg_catalog.=) 0 '
                                 'then '''' else ''='' OPERATOR(pg_catalog.||) skytools.urlencode(pg_catalog.concat(%s.%s)) end',
                                 case when c.first then '' else '&' end || skytools.urlencode(c.name), i_row, c.col, i_row, c.col),
                          ' OPERATOR(pg_catalog.||) ' order by c.num)
          into list
          from (select d.num, d.col, d.name, d.num = min(d.num) over () as first from skytools.capture_shown(i_capture, i_table) d) c;
        return format('select %s as data%s%s', coalesce(list, ''''''), fields, source);
    end if;

    select string_agg(format(case c.special when 'text' then '%1$s.%2$s::pg_catalog.text as %2$s'
                                  when 'jsonb' then 'pg_catalog.jsonb_out(%1$s.%2$s) as %2$s'
                                  when 'output' then 'case when pg_catalog.num_nonnulls(%1$s.%2$s) OPERATOR(pg_catalog.=) 1 '
                                                     'then pg_catalog.concat(%1$s.%2$s) end as %2$s'
                                  else '%1$s.%2$s as %2$s' end, i_row, c.col), ', ' order by c.num)
      into list
      from skytools.capture_shown(i_capture, i_table) c;
    if unsafe or list is null or skytools.capture_whole(i_capture, i_table) then
        return format('select pg_catalog.row_to_json(%s)::pg_catalog.text as data%s%s',
                      case when i_from = '' then i_row else i_row || '.*' end, fields, source);
    elsif fields <> '' then
        return format('select (select pg_catalog.row_to_json(s.*)::pg_catalog.text from (select %s) s) as data%s%s', list, fields, source);
    end if;
    return format('select pg_catalog.row_to_json(s.*)::pg_catalog.text as data from (select %s%s) s', list, source);
end;
$$;
comment on function skytools.capture_data(skytools.capture, oid, text, text, text, text, text) is
    'SELECT giving ev_data, and the fields that options name, of the rows of a source, as text for a generated function.';
