//! The worker as the database and the broker see it.

mod dead_letters;
mod retention;
mod rollups;
mod storing;
