create or replace function skytools.version() returns text
language sql immutable parallel safe as
$$ select '3'::text $$;

comment on function skytools.version() is
'Version of the four schemas, one number; tells that they are this project''s.';
