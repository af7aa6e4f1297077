//! The API as its clients see it: real processes, real PostgreSQL, RabbitMQ and Redis.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test says where it stops")]

mod accounts;
mod bad_lines;
mod credentials;
mod dead_letters;
mod devices;
mod history;
mod ingest;
mod ingest_faults;
mod operations;
mod outages;
mod presence;
mod servers;
mod sessions;
