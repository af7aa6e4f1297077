//! The HTTP API: authenticates people and devices, takes in what devices send, and answers what is asked about them.
//!
//! One folder a domain; `routes.rs` is the table of contents.

mod accounts;
pub mod app;
mod audit;
mod cache;
mod cart;
mod catalogue;
pub mod config;
mod devices;
mod error;
mod extract;
mod health;
mod healthcheck;
mod history;
mod ingest;
mod metrics;
mod migrate;
mod money;
mod openapi;
mod orders;
mod presence;
mod publisher;
mod request;
mod revocations;
mod routes;
mod secret;
mod state;
mod text;
mod tokens;

pub use app::run;
