-- The local bus: what a broker would hold for its consumers.

create table delivery (
    id              bigint generated always as identity primary key,
    consumer        text not null,  -- the service
    event           text not null,
    envelope        jsonb not null,
    attempt         int not null default 1,
    next_attempt_at timestamptz not null,
    error           text,
    dead_at         timestamptz
);
create index delivery_due on delivery (consumer, event, next_attempt_at, id) where dead_at is null;
create index delivery_dead on delivery (dead_at) where dead_at is not null;
