create or replace function skytools.capture_install(
    i_queue text, i_schema text, i_table text, i_options jsonb default '{}')
returns jsonb
language plpgsql volatile
set search_path = pg_catalog, skytools, pg_temp
set lock_timeout = '1500ms'
as $$
-- One attempt under a short lock_timeout: a trigger that waits for a long
-- writer would make every other writer wait behind it. The caller tries again
-- on lock_not_available. An autovacuum makes way for who has waited for
-- deadlock_timeout, which is one second. Installing anew replaces the functions, which locks
-- no table, and makes only triggers that are missing.
declare
    options jsonb := skytools.capture_options(i_options);
    c skytools.capture;
    relation oid;
    kin text;
    listed bool;
    k record;
    made text[] := '{}';
begin
    perform from pgq.queue where queue_name = i_queue for no key update; -- see queue_table
    if not found then
        raise exception 'Event queue not created yet' using errcode = 'undefined_object',
            hint = format('select pgq.create_queue(%L)', i_queue);
    end if;
    relation := skytools.capture_table(i_schema, i_table);
    kin := skytools.capture_kin(i_queue, relation);
    if kin is not null then
        raise exception 'table %.% is captured with % already', quote_ident(i_schema), quote_ident(i_table), kin
            using errcode = 'duplicate_object', hint = format('Each row would be told twice: remove %s first.', kin);
    end if;
    c.queue_name := i_queue;
    c.table_oid := relation;
    c.table_schema := i_schema;
    c.table_name := i_table;
    c.mode := coalesce(options ->> 'mode', case when skytools.capture_related(relation) then 'row' else 'statement' end);
    if c.mode = 'statement' and skytools.capture_related(relation) then
        raise exception 'table %.% is partitioned or inherited, and not to be captured by statement', quote_ident(i_schema), quote_ident(i_table)
            using errcode = 'feature_not_supported', hint = 'Leave the mode out: a statement may name its relative, and change its rows.';
    end if;
    c.format := coalesce(options ->> 'format', 'json');
    c.options := options;
    if options ? 'pkey' then
        select * into c.key_index, c.key_columns, c.key_numbers, c.key_operators, c.key_deferrable
          from skytools.capture_pkey(relation, options -> 'pkey');
    else
        select * into c.key_index, c.key_columns, c.key_numbers, c.key_operators, c.key_deferrable
          from skytools.capture_key(relation, options ->> 'key', options ?| '{keyless,full}');
    end if;
    if c.key_numbers <> '{}' then
        c.options := c.options - 'full'; -- the key tells rows apart
    elsif options ? 'full' then
        c.mode := 'row';
    end if;
    c.fingerprint := '';
    c := skytools.capture_register(c);
    perform skytools.queue_table(q.queue_id) from pgq.queue q where q.queue_name = i_queue;

    listed := skytools.capture_listed(c, relation);
    for k in select * from skytools.capture_kinds(c, listed) loop
        perform skytools.capture_function(c, relation, k.kind, listed);
        made := made || skytools.capture_trigger(c, relation, k.kind, k.event, listed);
        if k.kind = 'leaf' then
            perform skytools.capture_trigger(c, p.oid, k.kind, k.event, listed) from skytools.capture_parts(relation) p where p.kind = 'r';
        else
            perform skytools.capture_enable(p.called, made[cardinality(made)]) from skytools.capture_parts(relation) p;
        end if;
    end loop;
    perform skytools.capture_clear(c.capture_id, relation,
                                   array(select r.kind from skytools.capture_kinds(c, listed) r));
    update skytools.capture set fingerprint = skytools.capture_fingerprint(relation, c.capture_id)
     where capture_id = c.capture_id;
    return jsonb_build_object('capture_id', c.capture_id, 'mode', c.mode, 'format', c.format,
                              'key', c.key_columns, 'key_index', c.key_index, 'triggers', made);
end;
$$;
comment on function skytools.capture_install(text, text, text, jsonb) is
    'Captures a table''s changes into a queue. Options: mode (statement, row), format (json, urlenc), key (a unique index).';
