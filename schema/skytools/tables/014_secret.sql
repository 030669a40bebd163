-- Members of pg_read_all_data read every table, but not past row level security,
-- which is without a policy here: none but the owner sees a row. What was read
-- before is worth nothing.
alter table skytools.secret enable row level security;
update skytools.secret set secret = default;
