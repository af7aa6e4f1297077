//! The API as its clients see it: real processes, real PostgreSQL, RabbitMQ and Redis.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test says where it stops")]

mod accounts;
mod cart;
mod catalogue;
mod catalogue_import;
mod credentials;
mod devices;
mod history;
mod ingest;
mod ingest_faults;
mod operations;
mod order_races;
mod orders;
mod outages;
mod presence;
mod servers;
mod sessions;
mod shop;
