-- Where a subscriber was attached with rows newer than its position: what they
-- may have seen. Until a batch's tick sees all of it, rows are not expected as
-- events tell them.
alter table skytools.worker_state add column rows_snapshot text;
