create or replace function skytools.capture_listed(i_capture skytools.capture, i_table oid)
returns bool
language sql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- A row trigger's WHEN costs each UPDATE a tenth of its capture, even where no
-- key changes; that of a trigger with a column list only those that name the
-- key. What else may change a key is a BEFORE trigger: then the statement's
-- trigger looks itself which keys are gone, see capture_unlisted, for which it
-- keeps the old rows too. A table that has one already, a deferrable key, and
-- writers with old snapshots are better served by WHEN alone. Triggers that
-- stand are left as they are.
select i_capture.mode = 'statement' and not i_capture.key_deferrable
   and not exists (select from pg_attribute a
                    where a.attrelid = i_table and a.attnum = any (i_capture.key_numbers) and a.attgenerated <> '')
   and coalesce((select g.tgoldtable is not null from pg_trigger g
                  where g.tgrelid = i_table and g.tgname = skytools.capture_trigger_name(i_capture.queue_name, 'upd')),
                current_setting('default_transaction_isolation') like 'read %' and not skytools.capture_unlisted(i_table));
$$;
comment on function skytools.capture_listed(skytools.capture, oid) is
    'Whether the trigger of changed keys goes by an UPDATE''s list of columns.';
