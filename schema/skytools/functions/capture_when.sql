create or replace function skytools.capture_when() returns bool
language plpgsql stable
as $$
begin
    raise exception 'when= should not be NULL' using errcode = 'null_value_not_allowed',
        hint = 'Write coalesce(…, false), or "is true" behind the condition.';
end;
$$;
comment on function skytools.capture_when() is 'What a condition of trigger_install calls where it is NULL.';
