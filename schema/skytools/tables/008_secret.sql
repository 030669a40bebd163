-- What seals texts that pass through the hands of others, see triga_known. Only
-- the owner reads it. A dump of an extension brings a second row along: the
-- least counts.
create table skytools.secret (
    secret bytea not null default sha256((gen_random_uuid()::text || gen_random_uuid()::text)::bytea)
);
insert into skytools.secret default values;
