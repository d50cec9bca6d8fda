create table account (
    account_id bigint primary key,
    email text,
    version bigint not null default 0, -- of its subscription
    disabled boolean not null default false
);

create table preference (
    account_id bigint primary key,
    score_drop boolean not null,
    critical_issue boolean not null,
    cert_expiry boolean not null,
    config_change boolean not null
);

create table domain (
    id bigint primary key,
    account_id bigint not null,
    domain text not null,
    scan_frequency text not null check (scan_frequency in ('hourly', 'daily', 'weekly')),
    alert_threshold double precision not null,
    alert_on_score_drop boolean not null,
    alert_on_critical boolean not null,
    badge_enabled boolean not null default false,
    is_paused boolean not null default false,
    over_limit boolean not null default false, -- paused by the plan, not by its owner
    version bigint not null default 1,
    created_at timestamptz not null,
    next_scan_at timestamptz not null,
    last_score int,
    last_grade text,
    last_scanned_at timestamptz,
    last_failed_at timestamptz,
    baselines jsonb not null default '[]', -- scores that the next one may be compared with
    critical_findings text[] not null default '{}',
    unique (account_id, domain)
);
create index domain_due on domain (next_scan_at) where not is_paused and not over_limit;

-- A tick is a unique row: no two schedulers make the same scan.
create table tick (
    id bigint not null unique,
    domain_id bigint not null references domain on delete cascade,
    scheduled_for timestamptz not null,
    primary key (domain_id, scheduled_for)
);

-- The end dates that a timer watches. `warn_at`: when the next warning is due; null after the last.
create table certificate (
    domain_id bigint not null references domain on delete cascade,
    host text not null,
    port int not null,
    sha256 text not null,
    issuer text not null,
    not_after timestamptz not null,
    warn_at timestamptz,
    primary key (domain_id, host, port)
);
create index certificate_warning on certificate (warn_at);

create table alert (
    id bigint primary key,
    account_id bigint not null,
    domain_id bigint not null references domain on delete cascade,
    domain text not null,
    alert_type text not null,
    severity text not null,
    title text not null,
    message text not null,
    old_value text,
    new_value text,
    job_id text,
    is_read boolean not null default false,
    created_at timestamptz not null,
    cause text not null,
    unique (domain_id, cause) -- what raised it once does not raise it again
);
create index alert_newest on alert (account_id, created_at desc, id desc);

create table endpoint (
    id bigint primary key,
    account_id bigint not null,
    url text not null,
    description text not null,
    enabled_events text[] not null,
    sealed_secret bytea not null,
    is_active boolean not null default true,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    last_delivery_at timestamptz,
    last_success_at timestamptz,
    consecutive_failures int not null default 0,
    failing_since timestamptz
);
create index endpoint_account on endpoint (account_id);

create table delivery (
    id bigint primary key,
    endpoint_id bigint not null references endpoint on delete cascade,
    event_id uuid not null,
    event_type text not null,
    body bytea not null,
    status text not null check (status in ('pending', 'delivered', 'failed')),
    retry_count int not null default 0,
    next_attempt_at timestamptz not null,
    created_at timestamptz not null,
    http_status_code int,
    error_message text,
    sent_at timestamptz,
    delivered_at timestamptz,
    failed_at timestamptz,
    unique (endpoint_id, event_id)
);
create index delivery_due on delivery (next_attempt_at) where status = 'pending';
create index delivery_newest on delivery (endpoint_id, created_at desc, id desc);

create table mail (
    id bigint primary key,
    account_id bigint not null,
    recipient text not null,
    subject text not null,
    body text not null,
    status text not null check (status in ('pending', 'sent', 'failed')),
    retry_count int not null default 0,
    next_attempt_at timestamptz not null,
    created_at timestamptz not null,
    error_message text,
    sent_at timestamptz
);
create index mail_account on mail (account_id);
create index mail_due on mail (next_attempt_at) where status = 'pending';
