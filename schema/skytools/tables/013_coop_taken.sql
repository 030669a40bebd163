-- The number that a batch went on under: whoever knows it by the old one can
-- tell whether it is the same delivery.
alter table skytools.coop_taken add column new_batch bigint;
create index coop_taken_new_idx on skytools.coop_taken (new_batch);
