create or replace function skytools.capture_listed(i_capture skytools.capture, i_table oid)
returns bool
language sql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- A row trigger's WHEN costs each UPDATE a tenth of its capture, even where no
-- key changes; that of a trigger with a column list only those that name the
-- key. What else may change a key is a BEFORE trigger. A table that has one, or
-- a generated key column, has WHEN alone. Where a trigger comes later, or an old
-- snapshot cannot tell, see capture_unlisted, the statement's trigger compares
-- the keys, for which it keeps the old rows too. Triggers that stand are left
-- as they are.
select i_capture.mode = 'statement'
   and not exists (select from pg_attribute a
                    where a.attrelid = i_table and a.attnum = any (i_capture.key_numbers) and a.attgenerated <> '')
   and coalesce((select bool_and(case g.tgname when skytools.capture_trigger_name(i_capture.queue_name, 'upd') then g.tgoldtable is not null
                                               else g.tgattr <> '' end)
                   from pg_trigger g
                  where g.tgrelid = i_table and g.tgname in (skytools.capture_trigger_name(i_capture.queue_name, 'upd'),
                                                             skytools.capture_trigger_name(i_capture.queue_name, 'key'))),
                not skytools.capture_unlisted(i_table));
$$;
comment on function skytools.capture_listed(skytools.capture, oid) is
    'Whether the trigger of changed keys goes by an UPDATE''s list of columns.';
