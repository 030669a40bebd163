create or replace function skytools.capture_branches(
    i_capture skytools.capture, i_table oid, i_op text, i_again bool, i_row text,
    i_cur text default 'cur', i_then text default '')
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
declare
    q pgq.queue;
    text text := '';
begin
    select * into strict q from pgq.queue where queue_name = i_capture.queue_name;
    for n in 0 .. q.queue_ntables - 1 loop
        text := text || format(E'%s %s OPERATOR(pg_catalog.=) %s then\n    %s;\n%s',
                               case n when 0 then 'if' else 'elsif' end, i_cur, n,
                               skytools.capture_statement(i_capture, i_table, i_op, i_again,
                                                          q.queue_data_pfx || '_' || n, i_row), i_then);
    end loop;
    return text || E'end if;\n';
end;
$$;
comment on function skytools.capture_branches(skytools.capture, oid, text, bool, text, text, text) is
    'One static INSERT for each of a queue''s event tables, chosen by the expression of the current one.';
