-- An account is what pays and owns; users sign in to it; keys and sessions act for it.

CREATE TABLE accounts (
    id                  bigint PRIMARY KEY,
    status              text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'disabled')),
    plan                text NOT NULL,
    limits              jsonb NOT NULL,
    plan_version        bigint NOT NULL DEFAULT 0, -- of the newest subscription.changed; 0: none yet
    subscription_status text,
    version             bigint NOT NULL DEFAULT 1,
    created_at          timestamptz NOT NULL
);

CREATE TABLE users (
    id             bigint PRIMARY KEY,
    account_id     bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    email          text NOT NULL UNIQUE, -- normalised, lower case
    email_verified boolean NOT NULL DEFAULT false,
    password_hash  text NOT NULL,
    role           text NOT NULL DEFAULT 'owner' CHECK (role IN ('owner', 'member')),
    created_at     timestamptz NOT NULL
);
CREATE INDEX users_account ON users (account_id);

CREATE TABLE api_keys (
    id           bigint PRIMARY KEY,
    account_id   bigint NOT NULL REFERENCES accounts ON DELETE CASCADE,
    user_id      bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    name         text NOT NULL,
    digest       bytea NOT NULL UNIQUE, -- HMAC-SHA256 under the pepper; the key itself is nowhere
    hint         text NOT NULL,
    scopes       text[] NOT NULL,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz, -- revoking makes a key expire at once
    last_used_at timestamptz
);
CREATE INDEX api_keys_account ON api_keys (account_id, created_at DESC);
CREATE INDEX api_keys_user ON api_keys (user_id);

CREATE TABLE sessions (
    id         text PRIMARY KEY, -- the token's "jti"
    user_id    bigint NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- Taken out when used.
CREATE TABLE invites (
    digest     bytea PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
