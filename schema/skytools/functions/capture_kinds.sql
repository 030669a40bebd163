create or replace function skytools.capture_kinds(i_mode text)
returns table (kind text, event text)
language sql immutable
set search_path = pg_catalog, skytools, pg_temp
as $$
select k.kind, k.event
  from (values ('statement', 'ins', 'after insert on %s referencing new table as new_t for each statement'),
               ('statement', 'upd', 'after update on %s referencing new table as new_t for each statement'),
               ('statement', 'del', 'after delete on %s referencing old table as old_t for each statement'),
               ('statement', 'key', 'after update on %s for each row when (not (%s))'),
               ('statement', 'truncate', 'after truncate on %s for each statement'),
               ('row', 'row', 'after insert or update or delete on %s for each row'),
               ('row', 'open', 'before insert or update or delete on %s for each statement'),
               ('row', 'truncate', 'after truncate on %s for each statement')) k (mode, kind, event)
 where k.mode = i_mode;
$$;
comment on function skytools.capture_kinds(text) is 'The triggers that each mode of capture consists of.';
