-- The schemas of a work file. `store` holds the rows of the relations that cover a scope of venues.
create schema if not exists core;
create schema if not exists marts;
create schema if not exists ops;
create schema if not exists store;
create schema if not exists latest;
