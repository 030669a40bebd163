create or replace function skytools.capture_prologue(i_capture skytools.capture, i_table oid, i_row text)
returns text
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- What each generated function does first: read the queue's row once, learn
-- whether the table still has the shape the text below it was made for, refuse
-- if the queue is closed, and tell the client message it runs in.
declare
    queue_id int;
    tables int;
    named int2[];
    types oid[];
    shape text;
    unsafe jsonb := coalesce(i_capture.options -> 'unsafe', '[]');
    every bool;
begin
    select q.queue_id, q.queue_ntables into strict queue_id, tables from pgq.queue q where q.queue_name = i_capture.queue_name;
    select coalesce(bool_or(c.special is not null), false) into every
      from skytools.capture_columns(i_table, i_capture.format) c;
    if every then
        types := '{}';
        select array_agg(c.num) into named from skytools.capture_columns(i_table, i_capture.format) c;
    else
        named := i_capture.key_numbers;
        select array_agg(distinct t.oid order by t.oid) into types from (
            select c.type_oid from skytools.capture_columns(i_table, i_capture.format) c
            union
            select unnest('{bool,int2,int4,int8,oid,text,varchar,bpchar,"char",name,uuid,numeric,date,timestamp,timestamptz,time,timetz,inet,cidr,macaddr,macaddr8,bit,varbit,xml,tsvector,pg_lsn}'::regtype[])) t (oid);
    end if;
    shape := skytools.capture_shape(i_table, named, types);

    return format($f$
select q.queue_cur_table, q.queue_disable_insert, q.queue_per_tx_limit, %1$L::pg_catalog.regclass,
       q.queue_cur_table OPERATOR(pg_catalog.<) %7$s and %2$s
  into cur, closed, tx_limit, watched, intact
  from pgq.queue q
 where q.queue_id OPERATOR(pg_catalog.=) %3$s and q.queue_name OPERATOR(pg_catalog.=) %4$L;
if cur is null then
    raise exception 'No such queue' using errcode = 'undefined_object',
        hint = 'The queue is gone: create it and add the table again, or remove the table.';
end if;
if closed and pg_catalog.current_setting('session_replication_role') OPERATOR(pg_catalog.<>) 'replica'%5$s then
    raise exception 'Insert into queue disallowed' using errcode = 'object_not_in_prerequisite_state',
        hint = 'this node is not the root of its set: write there';
end if;
message := (pg_catalog.date_part('epoch', pg_catalog.statement_timestamp()) OPERATOR(pg_catalog.*) 1000000.0::pg_catalog.float8)::pg_catalog.int8::pg_catalog.text;
mark := pg_catalog.current_setting('skytools.run_%6$s', true);
$f$,
        i_table::int8,
        case when unsafe ? 'shape' then 'true'
             else format('skytools.capture_shape(%s, %L::pg_catalog.int2[], %L::pg_catalog.oid[]) OPERATOR(pg_catalog.=) %L',
                         i_table::int8, named, types, shape) end,
        queue_id, i_capture.queue_name,
        case when i_row like '%\_t' then format(' and exists (select from %s)', i_row) else '' end,
        i_capture.capture_id, tables);
end;
$$;
comment on function skytools.capture_prologue(skytools.capture, oid, text) is
    'First part of every generated function''s body.';
