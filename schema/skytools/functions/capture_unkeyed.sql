create or replace function skytools.capture_unkeyed()
returns text
language sql immutable
as $$
select $r$raise exception 'Update/Delete on table without pkey' using errcode = 'invalid_table_definition',
            hint = 'Add a primary key and run skytools.trigger_install again, or give it the option pkey.';$r$::text;
$$;
comment on function skytools.capture_unkeyed() is 'What generated functions raise for a changed row that nothing tells apart.';
