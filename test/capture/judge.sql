-- The judge: replays a queue's events in order into a shadow of each captured
-- table, by key, with the server's own casts, and compares.
create schema judge;

create table judge.watched (
    table_oid oid primary key,
    shadow text not null,
    shape text not null
);

create table judge.position (last_event bigint not null);
insert into judge.position values (0);

create function judge.shape(i_table oid) returns text language sql as $$
    select string_agg(attnum || ' ' || attname || ' ' || atttypid, ',' order by attnum)
      from pg_attribute where attrelid = i_table and attnum > 0 and not attisdropped
$$;

-- A new table's shadow is empty; one whose columns have changed starts again
-- from the table as it is, since older events have the older columns.
create function judge.shadow(i_table oid, i_copy bool) returns void language plpgsql as $$
declare shadow text := 'judge.t' || i_table;
begin
    execute format('drop table if exists %s', shadow);
    execute format('create table %s as select %s from %s %s', shadow, judge.list(i_table), skytools.capture_named(i_table),
                   case when i_copy then '' else 'where false' end);
    delete from judge.watched where table_oid = i_table;
    insert into judge.watched values (i_table, shadow, judge.shape(i_table));
end $$;

create function judge.columns(i_table oid)
returns table (name text, type text, collate_as text) language sql as $$
    select a.attname::text, format_type(a.atttypid, -1),
           case when a.attcollation <> 0 then ' collate ' || (select quote_ident(n.nspname) || '.' || quote_ident(c.collname)
               from pg_collation c join pg_namespace n on n.oid = c.collnamespace where c.oid = a.attcollation) else '' end
      from pg_attribute a where a.attrelid = i_table and a.attnum > 0 and not a.attisdropped and a.attgenerated <> 'v'
     order by a.attnum
$$;

create function judge.list(i_table oid) returns text language sql as $$
    select string_agg(quote_ident(name), ', ') from judge.columns(i_table)
$$;

create function judge.decode(i_text text) returns text language plpgsql as $$
declare bytes bytea := ''; i int := 1; c text;
begin
    if i_text is null then return null; end if;
    while i <= length(i_text) loop
        c := substr(i_text, i, 1);
        if c = '%' then bytes := bytes || decode(substr(i_text, i + 1, 2), 'hex'); i := i + 3;
        elsif c = '+' then bytes := bytes || ' '::bytea; i := i + 1;
        else bytes := bytes || convert_to(c, 'UTF8'); i := i + 1; end if;
    end loop;
    return convert_from(bytes, 'UTF8');
end $$;

-- The values of an event by column, as texts, and its operation and key.
create function judge.read(i_type text, i_data text, out op text, out key text[], out value jsonb)
language plpgsql as $$
declare part text;
begin
    if i_type like '{%' then
        op := left(i_type::json ->> 'op', 1);
        key := array(select json_array_elements_text(i_type::json -> 'pkey'));
        value := (select jsonb_object_agg(k, to_jsonb(i_data::json ->> k)) from json_object_keys(i_data::json) k);
    else
        op := left(i_type, 1);
        key := string_to_array(substr(i_type, 3), ',');
        value := '{}';
        foreach part in array string_to_array(i_data, '&') loop
            value := value || jsonb_build_object(judge.decode(split_part(part, '=', 1)),
                case when position('=' in part) > 0 then judge.decode(substr(part, position('=' in part) + 1)) end);
        end loop;
        if op = 'R' then op := 'T'; end if;
    end if;
end $$;

-- Rows of tables without a key that go before they come.
create table judge.owed (shadow text not null, row_text text not null);

-- Takes away one of equal rows, or gives one.
create function judge.count(i_shadow text, i_list text, i_value jsonb, i_rows int) returns void language plpgsql as $$
declare r text; place tid;
begin
    execute format('select row(%s)::text', i_list) using i_value into r;
    if i_rows < 0 then
        execute format('delete from %1$s where ctid = (select ctid from %1$s s where s::text = $1 limit 1) returning ctid', i_shadow)
            using r into place;
        if place is null then
            insert into judge.owed values (i_shadow, r);
        end if;
        return;
    end if;
    delete from judge.owed where ctid = (select ctid from judge.owed where shadow = i_shadow and row_text = r limit 1);
    if not found then
        execute format('insert into %s select %s', i_shadow, i_list) using i_value;
    end if;
end $$;

create function judge.apply(i_table oid, i_shadow text, i_type text, i_data text) returns void language plpgsql as $$
declare e record; condition text; list text;
begin
    e := judge.read(i_type, i_data);
    if e.op = 'T' then
        execute format('delete from %s', i_shadow);
        delete from judge.owed where shadow = i_shadow;
        return;
    end if;
    select string_agg(format('($1 ->> %L)::%s', c.name, c.type), ', ') into list from judge.columns(i_table) c;
    if e.key = '{}' then
        perform judge.count(i_shadow, list, e.value, case e.op when 'D' then -1 else 1 end);
        return;
    end if;
    select string_agg(format('s.%I = ($1 ->> %L)::%s%s', c.name, c.name, c.type, c.collate_as), ' and ') into condition
      from judge.columns(i_table) c where c.name = any (e.key);
    execute format('delete from %s s where %s', i_shadow, condition) using e.value;
    if e.op <> 'D' then
        execute format('insert into %s select %s', i_shadow, list) using e.value;
    end if;
end $$;

-- One line for each captured table that differs from its replayed events.
create function judge.verdict(i_queue text) returns setof text language plpgsql
set datestyle = 'ISO' set timezone = 'UTC' set extra_float_digits = 1 set intervalstyle = 'postgres' set lc_monetary = 'C'
as $$
declare
    e record; w record; differs text;
begin
    for w in select c.table_oid, c.table_schema, c.table_name, j.shape from skytools.capture c left join judge.watched j using (table_oid)
              where c.queue_name = i_queue and exists (select from pg_class where oid = c.table_oid) loop
        if w.shape is null or w.shape <> judge.shape(w.table_oid) then
            perform judge.shadow(w.table_oid, w.shape is not null);
            if w.shape is not null then
                -- events up to now are in the copy
                update judge.position set last_event = (select coalesce(max(ev_id), 0) from pgq.event_template);
            end if;
        end if;
    end loop;
    for e in select v.ev_id, v.ev_type, v.ev_data, j.table_oid, j.shadow
               from pgq.event_template v
               left join skytools.capture c on c.table_schema || '.' || c.table_name = v.ev_extra1
               left join judge.watched j on j.table_oid = c.table_oid
              where v.ev_id > (select last_event from judge.position) order by v.ev_id loop
        perform judge.apply(e.table_oid, e.shadow, e.ev_type, e.ev_data) where e.shadow is not null;
        update judge.position set last_event = e.ev_id;
    end loop;
    for w in select table_oid, shadow from judge.watched where exists (select from pg_class where oid = table_oid) loop
        execute format('select string_agg(line, E''\n'') from (
            (select ''only in table:  '' || t::text as line from (select %3$s from %1$s) t
             except all select ''only in table:  '' || t::text from %2$s t)
            union all
            (select ''only in events: '' || t::text from %2$s t
             except all select ''only in events: '' || t::text from (select %3$s from %1$s) t)) d',
            skytools.capture_named(w.table_oid), w.shadow, judge.list(w.table_oid)) into differs;
        differs := nullif(concat_ws(E'\n', differs, (select string_agg('gone but not come: ' || o.row_text, E'\n') from judge.owed o where o.shadow = w.shadow)), '');
        if differs is not null then
            return next w.table_oid::regclass || E'\n' || differs;
        end if;
    end loop;
end $$;
