create or replace function pgq_ext.version() returns text
language sql immutable parallel safe as
$$ select '3.1'::text $$;

comment on function pgq_ext.version() is
'Interface that the schema offers, upstream''s number.';
