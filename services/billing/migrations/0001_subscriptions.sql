-- What each account pays for, folded from Stripe's own objects.

CREATE TABLE customers (
    account_id      bigint PRIMARY KEY,
    email           text,
    stripe_customer text UNIQUE,               -- null until the first checkout
    granted_plan    text,                      -- set by the operator; null: the default plan
    plan            text NOT NULL,             -- the plan in force
    status          text NOT NULL,             -- Stripe's word for the subscription behind it; 'none' without one
    version         bigint NOT NULL DEFAULT 0, -- of subscription.changed
    created_at      timestamptz NOT NULL,
    deleted_at      timestamptz                -- a tombstone: events may come late
);

CREATE TABLE subscriptions (
    id         text PRIMARY KEY, -- Stripe's
    account_id bigint NOT NULL REFERENCES customers ON DELETE CASCADE,
    plan       text NOT NULL,
    status     text NOT NULL,
    created_at timestamptz NOT NULL, -- Stripe's
    fetched_at timestamptz NOT NULL
);
CREATE INDEX subscriptions_account ON subscriptions (account_id);

-- Stripe's events as they came. One row an event id makes repetition harmless.
CREATE TABLE stripe_events (
    id              text PRIMARY KEY,
    type            text NOT NULL,
    subscription_id text,        -- what to fetch anew; null: of no interest
    stripe_customer text,        -- whose it is
    received_at     timestamptz NOT NULL,
    attempts        integer NOT NULL DEFAULT 0,
    due_at          timestamptz, -- of the next attempt; null: done, or given up when `error` says why
    error           text
);
CREATE INDEX stripe_events_due ON stripe_events (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX stripe_events_received ON stripe_events (received_at);
