create or replace function skytools.capture_kinds(i_capture skytools.capture, i_listed bool)
returns table (kind text, event text)
language sql immutable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- %1$s is the table, %2$s that a row's key stays, %3$s the key's columns. For
-- i_listed see capture_listed. The operation that is to be dropped has to be
-- met before it happens.
select k.kind, k.event
  from (values ('statement', 'ins', null, 'after insert on %1$s referencing new table as new_t for each statement'),
               ('statement', 'upd', false, 'after update on %1$s referencing new table as new_t for each statement'),
               ('statement', 'upd', true, 'after update on %1$s referencing old table as old_t new table as new_t for each statement'),
               ('statement', 'del', null, 'after delete on %1$s referencing old table as old_t for each statement'),
               ('statement', 'key', false, 'after update on %1$s for each row when (not (%2$s))'),
               ('statement', 'key', true, 'after update of %3$s on %1$s for each row when (not (%2$s))'),
               ('statement', 'truncate', null, 'after truncate on %1$s for each statement'),
               ('row', 'row', null, 'after insert or update or delete on %1$s for each row'),
               ('row', 'open', null, 'before insert or update or delete on %1$s for each statement'),
               ('row', 'truncate', null, 'after truncate on %1$s for each statement'),
               ('row', 'leaf', null, 'before truncate on %1$s for each statement'),
               ('keyless', 'ins', null, 'after insert on %1$s referencing new table as new_t for each statement'),
               ('keyless', 'nokey', null, 'after update or delete on %1$s for each row'),
               ('keyless', 'truncate', null, 'after truncate on %1$s for each statement'),
               ('skip', 'skip', null, 'before insert or update or delete on %1$s for each row'),
               ('skip', 'truncate', null, 'after truncate on %1$s for each statement'),
               ('deny', 'deny', null, 'before insert or update or delete on %1$s for each row'),
               ('deny', 'truncate', null, 'after truncate on %1$s for each statement')) k (mode, kind, listed, event)
 where k.mode = case when i_capture.options ? 'deny' then 'deny'
                     when i_capture.options ? 'skip' then 'skip'
                     when i_capture.key_numbers = '{}' and i_capture.mode = 'statement' then 'keyless'
                     else i_capture.mode end
   and (k.listed is null or k.listed = i_listed)
   and not (k.kind = 'open' and (skytools.capture_exact(i_capture) or skytools.capture_related(i_capture.table_oid) and not skytools.capture_lacks(i_capture, 'related')))
   and (k.kind <> 'leaf' or exists (select from pg_class t where t.oid = i_capture.table_oid and t.relkind = 'p'));
$$;
comment on function skytools.capture_kinds(skytools.capture, bool) is 'The triggers that a capture consists of, by its mode, its key and its options.';
