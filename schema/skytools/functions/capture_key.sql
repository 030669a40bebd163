create or replace function skytools.capture_key(
    i_table oid, i_index text, i_keyless bool,
    out key_index text, out key_columns text[], out key_numbers int2[], out key_operators text[],
    out key_deferrable bool)
returns record
language plpgsql stable
set search_path = pg_catalog, skytools, pg_temp
set quote_all_identifiers = off
as $$
declare
    idx record;
    reason text;
begin
    select i.*, c.relname into idx
      from pg_index i join pg_class c on c.oid = i.indexrelid
     where i.indrelid = i_table
       and case when i_index is null then i.indisprimary else c.relname = i_index end;
    if not found and i_index is null and i_keyless then
        key_index := '';
        key_columns := '{}';
        key_numbers := '{}';
        key_operators := '{}';
        key_deferrable := false;
        return;
    elsif not found and i_index is null then
        raise exception 'table % has no primary key', i_table::regclass
            using errcode = 'invalid_table_definition',
                  hint = 'Add a primary key, name a unique index on NOT NULL columns with --key INDEX, or have rows told apart by all their columns with --no-key.';
    elsif not found then
        raise exception 'table % has no index %', i_table::regclass, quote_ident(i_index)
            using errcode = 'undefined_object',
                  hint = 'Name a unique index of this table, on NOT NULL columns.';
    end if;

    reason := case
        when not idx.indisunique then 'it is not unique'
        when not idx.indisvalid or not idx.indisready then 'it is not valid'
        when idx.indpred is not null then 'it is partial'
        when idx.indexprs is not null then 'it is on an expression'
        when exists (select from unnest((idx.indkey::int2[])[0:idx.indnkeyatts - 1]) k (num)
                       join pg_attribute a on a.attrelid = i_table and a.attnum = k.num
                      where not a.attnotnull) then 'a column of it may be null'
    end;
    if reason is not null then
        raise exception 'index % cannot be the key of table %: %', quote_ident(idx.relname), i_table::regclass, reason
            using errcode = 'invalid_table_definition',
                  hint = 'The key must be a unique index on plain NOT NULL columns, without a WHERE clause.';
    end if;

    -- The index's own equality, under the index's own collation.
    key_index := idx.relname;
    key_deferrable := not idx.indimmediate;
    select array_agg(a.attname::text order by k.ord), array_agg(a.attnum order by k.ord),
           array_agg(format('OPERATOR(%I.%s)', n.nspname, o.oprname)
                     || case when c.oid <> a.attcollation
                             then format('|COLLATE %I.%I', cn.nspname, c.collname) else '|' end
                     order by k.ord)
      into strict key_columns, key_numbers, key_operators
      from unnest(idx.indkey::int2[], idx.indclass::oid[], idx.indcollation::oid[]) with ordinality
           k (num, class, collation_oid, ord)
      join pg_attribute a on a.attrelid = i_table and a.attnum = k.num
      join pg_opclass oc on oc.oid = k.class
      join pg_amop ao on ao.amopfamily = oc.opcfamily and ao.amopstrategy = 3 and ao.amoppurpose = 's'
                     and ao.amoplefttype = oc.opcintype and ao.amoprighttype = oc.opcintype
      join pg_operator o on o.oid = ao.amopopr
      join pg_namespace n on n.oid = o.oprnamespace
      left join pg_collation c on c.oid = k.collation_oid
      left join pg_namespace cn on cn.oid = c.collnamespace
     where k.ord <= idx.indnkeyatts;
end;
$$;
comment on function skytools.capture_key(oid, text, bool) is
    'Key of a captured table: its primary key, or the unique index named. Refuses an index that cannot tell rows apart, and a table without a key unless it may be keyless.';
