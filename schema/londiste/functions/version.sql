create or replace function londiste.version() returns text
language sql immutable parallel safe as
$$ select '3.8.1'::text $$;

comment on function londiste.version() is
'Interface that the schema offers, upstream''s number, and our own number as its last part.';
