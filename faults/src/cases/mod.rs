//! The cases, by group; each is a small function: start, break under load, repair, compare.

mod api;
mod catalogue;
mod network;
mod poison;
mod postgres;
mod presence;
mod rabbitmq;
mod redis;
mod soak;
mod time;
mod under_load;
mod whole;
mod worker;

pub use catalogue::{Case, all};
