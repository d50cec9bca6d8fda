-- Every report ever issued, by what its cover says. A row stays when the file goes: it is what verification rests on.
create table report (
    id text primary key,
    job_id text not null,
    paper text not null check (paper in ('a4', 'letter')),
    account_id bigint not null,
    domain text not null,
    grade text not null,
    score int not null,
    coverage double precision not null,
    scanned_at timestamptz not null,
    issued_at timestamptz not null,
    issuer text not null,
    key_fingerprint text not null,
    engine_version text not null,
    catalog_version text not null,
    sha256 text not null unique,
    stored boolean not null default true,
    revoked_at timestamptz,
    unique (job_id, paper)
);

create index report_newer on report (account_id, domain, scanned_at);
create index report_stored on report (issued_at) where stored;

-- Whether an account wants its monitored domain's badge to be seen; a removed domain is kept a while for its version.
create table badge_switch (
    domain_id bigint primary key,
    account_id bigint not null,
    domain text not null,
    enabled boolean not null,
    version bigint not null,
    removed_at timestamptz
);

create index badge_switch_domain on badge_switch (domain) where enabled;

-- The newest full scan of a domain by an account.
create table badge_score (
    account_id bigint not null,
    domain text not null,
    grade text not null,
    score int not null,
    scanned_at timestamptz not null,
    primary key (account_id, domain)
);
