create table note (
    id         bigint generated always as identity primary key,
    account_id bigint not null,
    text       text not null
);
