//! The API as its clients see it: real processes, real PostgreSQL, RabbitMQ and Redis.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test says where it stops")]

mod ingest;
mod ingest_faults;
mod outages;
