//! The worker as the database and the broker see it.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says where it stops")]

mod configuration;
mod dead_letters;
mod earlier_version;
mod exact_means;
mod one_row;
mod partitions;
mod purges;
mod retention;
mod rollups;
mod storing;
mod topology;
