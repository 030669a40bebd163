-- How often a chunk was begun, written before its rows are read and kept when
-- the transaction that brings them is lost: more than once is work redone.
alter table skytools.copy_chunk add column begun int not null default 0;

-- Chunks that were begun before the ledger was written anew.
alter table skytools.copy_table add column chunks_voided int not null default 0;
