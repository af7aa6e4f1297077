//! The HTTP API: authenticates people and devices, takes in what devices send, and answers what is asked about them.
//!
//! One folder a domain; `routes.rs` is the table of contents.

mod accounts;
mod aggregation;
pub mod app;
mod audit;
mod auth;
mod broker;
mod cache_entries;
mod cart;
mod catalogue;
pub mod cli;
pub mod config;
mod db;
mod devices;
mod export;
#[cfg(any(test, feature = "fuzzing"))]
#[expect(clippy::expect_used, reason = "a property that does not hold says so")]
pub mod fuzzing;
mod healthcheck;
mod history;
mod http;
mod http_client;
mod ids;
mod ingest;
mod migrate;
mod openapi;
mod operations;
mod orders;
mod presence;
mod rate_limit;
mod redis;
mod routes;
mod schema;
mod sessions;
mod state;
mod tasks;
mod throughput;
