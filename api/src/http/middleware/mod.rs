//! Middleware around every handler.
//!
//! ```text
//!  cors ─▶ observe ─┬ ingest ────────────────────────────────────────────▶ handler
//!                   └ anything else ─▶ browser: security headers, caching, compression ─▶ admission ─▶ handler
//! ```
//!
//! Ingest (what devices send) is spared the rest: it has rate limits of its own, responses of a few bytes, and no
//! browser behind it. To it this costs a look at the path. Admission is `rate_limit`'s.

mod browser;
mod caching;
mod compression;
mod cors;
mod errors;
mod ingest_path;
mod observe;
mod pieces;
mod security_headers;

pub use caching::Personal;
pub use cors::{check_same_site, cors};
pub use ingest_path::is_ingest;
pub use observe::observe;
