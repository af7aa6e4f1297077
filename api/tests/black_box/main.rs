//! The API as its clients see it: real processes, real PostgreSQL, RabbitMQ and Redis.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test says where it stops")]

mod accounts;
mod bad_lines;
mod cache;
mod cart;
mod catalogue;
mod catalogue_import;
mod configuration;
mod cookies;
mod credentials;
mod dead_letters;
mod devices;
mod exam;
mod fleet;
mod history;
mod ingest;
mod ingest_faults;
mod ingest_stored;
mod limits;
mod manners;
mod offline_clock;
mod operations;
mod order_races;
mod orders;
mod outages;
mod presence;
mod reading;
mod servers;
mod sessions;
mod sheets;
mod shop;
mod tasks;
