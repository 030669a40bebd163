create or replace function skytools.repair_emit(i_queue_name text, i_schema text, i_table text, i_keys jsonb)
returns bigint
language plpgsql volatile security definer
set search_path = pg_catalog, pgq, pg_temp
set row_security = off as
$$
-- A policy of the table's owner would run with the rights of this function's,
-- and rows that it hides would be told as gone: rather an error.
declare
    c skytools.capture;
    q pgq.queue;
    relation oid;
    called text := format('%I.%I', i_schema, i_table);
    saved text[];
    same text;
    keys text;
    told bigint;
    total bigint := 0;
    denied boolean;
begin
    select * into c from skytools.capture
        where queue_name = i_queue_name and table_schema = i_schema and table_name = i_table;
    relation := to_regclass(called);
    if c.capture_id is null or relation is null then
        raise exception 'table % is not captured into queue %', called, i_queue_name
            using errcode = 'undefined_object', hint = 'londiste INI provider add';
    end if;
    if c.format = 'sql' or c.key_index = '' or c.options - '{mode,format,key}'::text[] <> '{}' then
        raise exception 'rows of table % cannot be told again one by one', called
            using errcode = 'feature_not_supported',
                hint = 'it has no key, or its trigger leaves something out: subscriber resync copies it anew';
    end if;
    -- A row read while somebody changes it would be told after the change, as
    -- it was before. Under this lock nobody does.
    denied := not has_table_privilege(relation, 'SELECT');
    begin
        execute format('lock table %s in share mode', skytools.capture_named(relation));
    exception when insufficient_privilege then
        denied := true;
    end;
    if denied then
        raise exception 'role % may not read and lock table %', current_user, called
            using errcode = 'insufficient_privilege', hint = format('grant select, update on table %s to %I', called, current_user);
    end if;
    select * into strict q from pgq.queue where queue_name = i_queue_name;
    if q.queue_disable_insert then
        raise exception 'Insert into queue disallowed'
            using errcode = 'object_not_in_prerequisite_state', hint = 'this node is not the root of its set: repair there';
    end if;
    saved := skytools.capture_pin(c.capture_id, relation);
    same := skytools.capture_match(c, relation, 'skytools_c', 'skytools_k');
    keys := skytools.repair_keys(c, relation, i_keys);
    execute skytools.capture_now(c.capture_id, relation, 'UPDATE', false, q.queue_cur_table,
        format('(select skytools_c.* from %s skytools_c where exists (select from %s where %s))', skytools.capture_named(relation), keys, same));
    get diagnostics told = row_count;
    total := told;
    execute skytools.capture_now(c.capture_id, relation, 'DELETE', false, q.queue_cur_table,
        format('(select skytools_k.* from %s where not exists (select from %s skytools_c where %s))', keys, skytools.capture_named(relation), same));
    get diagnostics told = row_count;
    perform skytools.capture_unpin(saved);
    return total + told;
end;
$$;

comment on function skytools.repair_emit(text, text, text, jsonb) is
'Writes the present state of rows into the queue once more, as the triggers would: the rows with the keys given, objects of text by column, and deletes of those that are not there. The table is locked against writers until the transaction ends; for that the owner of this function needs SELECT and UPDATE on it. Returns the number of events.';
