//! HTTP as every route uses it: errors, extractors, middleware. It knows no domain.

pub mod client_address;
pub mod connection;
pub mod csv_writer;
pub mod epoch;
pub mod error;
pub mod extract;
pub mod health;
pub mod holder;
pub mod json_array;
pub mod large_answers;
pub mod metrics;
pub mod middleware;
pub mod rate_limit_headers;
pub mod request_id;
pub mod responses;
pub mod server;
pub mod shares;
pub mod text;
pub mod thread_counts;
pub mod time_range;
pub mod timestamp;

/// Where the documented form of every route lives; older clients use the root.
pub const API_PREFIX: &str = "/api/v1";
