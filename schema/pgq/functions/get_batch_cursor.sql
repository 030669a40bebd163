create or replace function pgq.get_batch_cursor(
    i_batch_id bigint, i_cursor_name text, i_quick_limit int, i_extra_where text,
    out ev_id bigint, out ev_time timestamptz, out ev_txid bigint, out ev_retry int,
    out ev_type text, out ev_data text,
    out ev_extra1 text, out ev_extra2 text, out ev_extra3 text, out ev_extra4 text)
returns setof record
language plpgsql volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    sql text := skytools.batch_query_of(i_batch_id, i_extra_where);
    events refcursor := i_cursor_name::refcursor;
begin
    if i_batch_id is null or i_cursor_name is null or i_quick_limit is null then
        return;
    end if;
    if sql is null then
        raise exception 'batch not found'
            using errcode = 'undefined_object',
                hint = 'it was finished, or its consumer was unregistered or moved';
    end if;
    open events no scroll for execute sql;
    for i in 1 .. i_quick_limit loop
        fetch events into ev_id, ev_time, ev_txid, ev_retry,
            ev_type, ev_data, ev_extra1, ev_extra2, ev_extra3, ev_extra4;
        exit when not found;
        return next;
    end loop;
end;
$$;

comment on function pgq.get_batch_cursor(bigint, text, int, text) is
'Opens a cursor over a batch, for this transaction, and returns its first rows. i_extra_where is a condition in SQL, run with the caller''s rights.';

create or replace function pgq.get_batch_cursor(
    i_batch_id bigint, i_cursor_name text, i_quick_limit int,
    out ev_id bigint, out ev_time timestamptz, out ev_txid bigint, out ev_retry int,
    out ev_type text, out ev_data text,
    out ev_extra1 text, out ev_extra2 text, out ev_extra3 text, out ev_extra4 text)
returns setof record
language plpgsql volatile strict
set search_path = pg_catalog, pg_temp
as $$
begin
    return query select * from pgq.get_batch_cursor(i_batch_id, i_cursor_name, i_quick_limit, null);
end;
$$;

comment on function pgq.get_batch_cursor(bigint, text, int) is
'Opens a cursor over a batch, for this transaction, and returns its first rows.';
