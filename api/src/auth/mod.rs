//! Authentication: access tokens, revocations, secrets, and the callers that handlers ask for.
//!
//! ```text
//!  request ─▶ caller (Authorization or cookie) ─▶ tokens (signature, expiry) ─▶ revocations (memory; Redis for people)
//! ```

pub mod caller;
pub mod cookie;
mod parts;
pub mod revocations;
pub mod secret;
pub mod tokens;

pub use parts::Auth;
