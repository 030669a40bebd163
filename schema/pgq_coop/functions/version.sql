create or replace function pgq_coop.version() returns text
language sql immutable parallel safe as
$$ select '3.1.1'::text $$;

comment on function pgq_coop.version() is
'Interface that the schema offers, upstream''s number.';
