create or replace function skytools.capture_enable(i_part text, i_trigger text)
returns void
language plpgsql volatile
set search_path = pg_catalog, skytools, pg_temp
as $$
begin
    if exists (select from pg_trigger where tgrelid = i_part::regclass and tgname = i_trigger and tgparentid <> 0 and tgenabled <> 'O') then
        execute format('alter table %s enable trigger %I', i_part, i_trigger);
    end if;
end;
$$;
comment on function skytools.capture_enable(text, text) is
    'Enables a trigger that a partition has of its partitioned table and that was switched off there.';
