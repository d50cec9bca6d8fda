-- Account 0 stands for nobody: the scans that anyone may make for free.
create table account (
    account_id bigint primary key,
    version bigint not null,
    plan text not null,
    scans_at_once int not null,
    history_days int not null
);

create table scan (
    id text primary key,
    account_id bigint not null,
    domain text not null,
    modules text[] not null,
    source text not null check (source in ('api', 'free', 'batch', 'monitor')),
    monitored_domain_id bigint,
    status text not null check (status in ('queued', 'running', 'completed', 'failed')),
    scans_at_once int not null,
    charged_month date,
    attempt int not null default 0,
    lease_until timestamptz,
    revision int not null default 0,
    progress jsonb not null default '{}',
    queued_at timestamptz not null,
    started_at timestamptz,
    completed_at timestamptz,
    failure_reason text,
    score int,
    grade text,
    grade_reason text,
    risk_level text,
    duration_ms int,
    issues jsonb
);

-- A repeated request joins the scan that is under way.
create unique index scan_one_at_a_time on scan (account_id, domain, modules)
    where status in ('queued', 'running') and account_id <> 0;
create index scan_queue on scan (account_id, queued_at) where status = 'queued';
create index scan_leases on scan (lease_until) where status = 'running';
create index scan_history on scan (account_id, queued_at desc, id desc);
create index scan_age on scan (completed_at);

create table report (
    scan_id text primary key references scan on delete cascade,
    body jsonb not null,
    evidence jsonb not null
);

-- Whose turn it is: the account that was served longest ago.
create table turn (
    account_id bigint primary key,
    served_at timestamptz not null
);

-- One row a monitored domain's tick, so that none starts two scans.
create table tick (
    id bigint primary key,
    scan_id text not null,
    created_at timestamptz not null
);

-- Append-only: one charge a scan, one refund at most.
create table ledger (
    scan_id text not null,
    kind text not null check (kind in ('charge', 'refund')),
    account_id bigint not null,
    month date not null,
    amount int not null,
    created_at timestamptz not null,
    primary key (scan_id, kind)
);

-- The ledger's sum by month, kept so that the quota is one conditional update.
create table usage (
    account_id bigint not null,
    month date not null,
    used int not null,
    primary key (account_id, month)
);

-- A batch asked for again within a minute is answered from the first.
create table batch (
    account_id bigint not null,
    request_hash bytea not null,
    scans jsonb not null,
    created_at timestamptz not null,
    primary key (account_id, request_hash)
);
