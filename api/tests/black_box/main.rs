//! The API as its clients see it: real processes, real PostgreSQL, RabbitMQ and Redis. A file or a folder for each domain
//! of `api/src`; `responses` has one response of every route.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test says where it stops")]

mod accounts;
mod aggregation;
mod audit;
mod auth;
mod authorization;
mod cache_entries;
mod cart;
mod catalogue;
mod configuration;
mod conventions;
mod devices;
mod export;
mod heavy_queries;
mod history;
mod http;
mod ingest;
mod limits;
mod migrate;
mod older_contract;
mod openapi;
mod operations;
mod orders;
mod presence;
mod rate_limit;
mod redis;
mod responses;
mod sessions;
mod support;
mod tasks;
mod throughput;
mod walkthroughs;
