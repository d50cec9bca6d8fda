-- What every service has: events on their way out, events taken in, answers given to idempotency keys.

create table outbox (
    id           bigint generated always as identity primary key,
    envelope     jsonb not null,
    created_at   timestamptz not null,
    published_at timestamptz  -- kept for 7 days after that, to be sent again to a broker that was wiped
);
create index outbox_waiting on outbox (id) where published_at is null;
create index outbox_published on outbox (published_at) where published_at is not null;

create table inbox (
    consumer    text not null,
    event_id    uuid not null,
    received_at timestamptz not null,
    primary key (consumer, event_id)
);
create index inbox_received on inbox (received_at);

create table idempotency (
    account_id   bigint not null,
    route        text not null,
    key          text not null,
    request_hash bytea not null,
    state        text not null,
    status       int,
    headers      jsonb,
    body         bytea,
    created_at   timestamptz not null,
    primary key (account_id, route, key)
);
create index idempotency_created on idempotency (created_at);
