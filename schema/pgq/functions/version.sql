create or replace function pgq.version() returns text
language sql immutable parallel safe as
$$ select '3.5.3'::text $$;

comment on function pgq.version() is
'Interface that the schema offers, upstream''s number, and our own number as its last part.';
