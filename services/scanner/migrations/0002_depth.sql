-- How widely a scan looks; a request joins only the scan under way that asks for the very same.
alter table scan add column profile text not null default 'standard' check (profile in ('standard', 'full'));
alter table scan add column intrusive boolean not null default false;
drop index scan_one_at_a_time;
create unique index scan_one_at_a_time on scan (account_id, domain, modules, profile, intrusive)
    where status in ('queued', 'running') and account_id <> 0;
