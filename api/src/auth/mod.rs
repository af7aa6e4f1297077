//! Authentication: access tokens, revocations, secrets, passwords, and the callers that handlers ask for.
//!
//! ```text
//!  request ─▶ caller (Authorization or cookie) ─▶ tokens (signature, expiry) ─▶ revocations (memory; Redis for people)
//! ```

pub mod caller;
pub mod cookie;
mod hs256;
mod parts;
pub mod password;
mod password_rules;
pub mod precis;
pub mod revocations;
pub mod secret;
pub mod tokens;

pub use parts::Auth;
