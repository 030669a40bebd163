create or replace function skytools.queue_insert(i_queue_id int)
returns void
language plpgsql volatile
set search_path = pg_catalog, pgq, pg_temp
as $$
-- A statement that is built anew for each event costs more than the event.
-- Here all are static, and which of them is meant is a constant of the plan,
-- see queue_table: a rotation throws the plans away. An event may still go
-- into a table that has just stopped being the current one. All tables are
-- read, and one is emptied by what is in it, under a lock that waits for this
-- statement's.
-- The transaction gets its id before the event its number: a tick between the
-- two would count the number, and nobody would look for the event.
declare
    name text := format('queue_%s_insert', i_queue_id);
    q pgq.queue;
    body text := '';
begin
    select * into strict q from pgq.queue where queue_id = i_queue_id;
    for n in 0 .. q.queue_ntables - 1 loop
        body := body || format(E'%s skytools.queue_%s_table() OPERATOR(pg_catalog.=) %s then\n'
            '    insert into %s (ev_id, ev_time, ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4)\n'
            '    values (case when pg_catalog.txid_current() OPERATOR(pg_catalog.>) 0 then pg_catalog.nextval(%L::pg_catalog.regclass) end,\n'
            '        current_timestamp, $2, $3, $4, $5, $6, $7) returning ev_id into id;\n    return id;\n',
            case n when 0 then 'if' else 'elsif' end, i_queue_id, n, pgq.quote_fqname(q.queue_data_pfx || '_' || n),
            pgq.quote_fqname(q.queue_event_seq));
    end loop;
    execute format('create or replace function skytools.%I(text, text, text, text, text, text, text) returns int8 '
                   'language plpgsql volatile as %L', name,
                   E'\ndeclare\n    id pg_catalog.int8;\nbegin\n' || body
                   || E'end if;\nreturn skytools.event_insert_any($1, $2, $3, $4, $5, $6, $7);\nend;\n');
    execute format('revoke all on function skytools.%I(text, text, text, text, text, text, text) from public', name);
    execute format('comment on function skytools.%I(text, text, text, text, text, text, text) is %L', name,
                   'Puts an event into queue ' || i_queue_id || ', by static statements.');
end;
$$;
comment on function skytools.queue_insert(int) is
    'Makes or replaces the function queue_N_insert, which puts an event into queue N.';
