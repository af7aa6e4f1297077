//! `GET /data`: the sensor readings of all of a person's devices, in one response however long it is.
//!
//! ```text
//!  DataQuery ─▶ DataRequest ─▶ queries::export ─┬▶ RawChunks:  page after page, no connection held between them
//!                                               └▶ MeanChunks: range after range, by `aggregation`
//!                                                     └ short means of the past: ResponseCache, while their DataVersion holds
//! ```

mod means;
mod queries;
mod raw;
mod response_cache;
pub mod routes;
mod store;
mod stream;
mod types;

pub use response_cache::ResponseCache;
