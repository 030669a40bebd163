create table account (
    id int primary key,
    owner text not null,
    balance numeric not null default 0,
    version int not null default 0
);
create table entry (
    id bigserial primary key,
    account_id int references account on update cascade on delete cascade,
    amount numeric(12,2) not null,
    at timestamptz not null default clock_timestamp(),
    doc jsonb
);
create index entry_account on entry (account_id);
create table seat (
    id int primary key,
    place int not null unique deferrable initially deferred,
    label text
);
create table word (
    word text primary key,
    n int not null default 0,
    tags text[]
);
create table cell (
    x int,
    y int,
    v text,
    w interval,
    primary key (x, y)
);
create table counter (
    id int primary key,
    n bigint not null default 0,
    log int[] not null default '{}'
);
