//! The HTTP API: authenticates people and devices, takes in what devices send, and answers what is asked about them.
//!
//! One folder a domain; `routes.rs` is the table of contents.

mod accounts;
pub mod app;
mod cache;
pub mod config;
mod devices;
mod error;
mod extract;
mod health;
mod healthcheck;
mod ingest;
mod metrics;
mod migrate;
mod openapi;
mod publisher;
mod request;
mod revocations;
mod routes;
mod state;
mod tokens;

pub use app::run;
