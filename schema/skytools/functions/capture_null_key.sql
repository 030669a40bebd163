create or replace function skytools.capture_null_key() returns text
language plpgsql stable
as $$
begin
    raise exception 'logtriga: Unexpected NULL key value' using errcode = 'null_value_not_allowed',
        hint = 'The columns of pkey must not be NULL.';
end;
$$;
comment on function skytools.capture_null_key() is 'What a statement of format sql calls for a NULL in the key.';
