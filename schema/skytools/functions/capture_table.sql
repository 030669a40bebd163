create or replace function skytools.capture_table(i_schema text, i_table text)
returns oid
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
set quote_all_identifiers = off
as $$
-- Finds the table and refuses what capture cannot serve: each reason is one
-- error with what to do about it.
declare
    t record;
    part record;
    called text := format('%I.%I', i_schema, i_table);
begin
    select c.oid, c.relkind, c.relpersistence, c.relrowsecurity into t
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
     where n.nspname = i_schema and c.relname = i_table and c.relkind in ('r', 'p', 'v', 'm', 'f', 'S');
    if not found then
        raise exception 'table % does not exist', called using errcode = 'undefined_table',
            hint = 'Names are taken as they stand: schema.table, with quotes where a part is not plain lower case.';
    elsif i_schema in ('pg_catalog', 'information_schema', 'pgq', 'pgq_node', 'pgq_coop', 'pgq_ext', 'londiste', 'skytools') then
        raise exception 'table % belongs to the machinery and cannot be captured', called
            using errcode = 'wrong_object_type', hint = 'Add the tables of your application.';
    elsif t.relkind not in ('r', 'p') then
        raise exception '% is a %, not a table', called,
                case t.relkind when 'v' then 'view' when 'm' then 'materialized view'
                               when 'f' then 'foreign table' else 'sequence' end
            using errcode = 'wrong_object_type', hint = 'Only tables can be captured.';
    elsif t.relpersistence = 't' then
        raise exception 'table % is temporary', called
            using errcode = 'wrong_object_type', hint = 'A temporary table is seen by its own session only.';
    elsif not has_table_privilege(t.oid, 'TRIGGER') or not has_table_privilege(t.oid, 'SELECT') then
        raise exception 'permission denied for table %', called using errcode = 'insufficient_privilege',
            hint = format('grant select, trigger on %s to %I', called, current_user);
    elsif t.relrowsecurity and row_security_active(t.oid) then
        raise exception 'row level security of table % filters what % can read', called, quote_ident(current_user)
            using errcode = 'insufficient_privilege',
                  hint = 'Let its owner add it (without FORCE ROW LEVEL SECURITY), or a role with BYPASSRLS.';
    end if;
    for part in select * from skytools.capture_parts(t.oid) p where p.kind <> 'p' loop
        if part.kind <> 'r' then
            raise exception 'partition % of table % is a foreign table', part.called, called
                using errcode = 'wrong_object_type', hint = 'Its rows may change where no trigger sees it: detach it.';
        elsif not has_table_privilege(part.oid, 'TRIGGER') or not has_table_privilege(part.oid, 'SELECT') then
            raise exception 'permission denied for partition % of table %', part.called, called using errcode = 'insufficient_privilege',
                hint = format('grant select, trigger on %s to %I', part.called, current_user);
        end if;
    end loop;
    return t.oid;
end;
$$;
comment on function skytools.capture_table(text, text) is 'The table to capture; refuses what cannot be captured, with the reason.';
