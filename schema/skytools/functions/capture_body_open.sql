create or replace function skytools.capture_body_open(i_capture skytools.capture)
returns text
language sql stable
set search_path = pg_catalog, skytools, pg_temp
as $$
-- Row mode, before each statement. The first statement of a client message on
-- this table leaves the message's mark; one that finds it (it is nested in the
-- first, beside it in one command, or comes after it) adds a plus, and from
-- there to the message's end captures read their row anew. So they do when
-- `seen` is empty: RESET ALL has taken the settings away in the middle.
select format($f$
#variable_conflict use_column
declare
    message pg_catalog.text; mark pg_catalog.text; seen pg_catalog.text;
begin
message := %2$s;
mark := pg_catalog.current_setting('skytools.run_%1$s', true);
seen := pg_catalog.current_setting('skytools.seen', true);
if mark is null or not pg_catalog.starts_with(mark, message) then
    mark := pg_catalog.set_config('skytools.run_%1$s', case when seen OPERATOR(pg_catalog.=) '' then message OPERATOR(pg_catalog.||) '+' else message end, true);
elsif mark OPERATOR(pg_catalog.=) message then
    mark := pg_catalog.set_config('skytools.run_%1$s', message OPERATOR(pg_catalog.||) '+', true);
end if;
if coalesce(seen OPERATOR(pg_catalog.=) '', true) then
    seen := pg_catalog.set_config('skytools.seen', 'yes', false);
end if;
return null;
end;
$f$, i_capture.capture_id, skytools.capture_message());
$$;
comment on function skytools.capture_body_open(skytools.capture) is
    'Body of row mode''s BEFORE STATEMENT function, which marks the table open.';
