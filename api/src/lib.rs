//! The HTTP API: authenticates people and devices, takes in what devices send, and answers what is asked about them.
//!
//! One folder a domain; `routes.rs` is the table of contents.

mod accounts;
pub mod app;
mod audit;
mod cache;
mod cache_entries;
mod cart;
mod catalogue;
pub mod config;
mod devices;
mod error;
mod extract;
mod fleet;
mod health;
mod healthcheck;
mod history;
mod ingest;
mod instant;
mod limits;
mod manners;
mod metrics;
mod migrate;
mod money;
mod openapi;
mod operations;
mod orders;
mod presence;
mod publisher;
mod request;
mod revocations;
mod routes;
mod secret;
mod state;
mod tasks;
mod text;
mod tokens;

pub use app::run;
