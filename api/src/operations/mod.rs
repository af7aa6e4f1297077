//! What those who run Pulso look at and put right: the pipeline's state, and the dead letters. For administrators.
//!
//! Nothing here stands in the way of ingest: each request opens a connection to the broker of its own, and closes it.

mod commands;
mod queries;
mod rates;
pub mod routes;
mod store;
mod types;

pub use rates::PipelineSamples;
