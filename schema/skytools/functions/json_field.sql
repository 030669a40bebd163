create or replace function skytools.json_field(i_data text, i_field text) returns text
language plpgsql immutable
set search_path = pg_catalog, pg_temp
as $$
begin
    -- The handler is a subtransaction, which a parallel query cannot start: the
    -- function stays marked as unsafe.
    return coalesce(i_data::json ->> i_field, '');
exception when data_exception or statement_too_complex then -- nested too deep
    return '';
end;
$$;

comment on function skytools.json_field(text, text) is
'A field of a JSON object as text; empty where there is none, or no JSON.';
