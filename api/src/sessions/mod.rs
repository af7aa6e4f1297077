//! Sessions: sign-in, refresh, sign-out.
//!
//! ```text
//!  routes ─▶ commands ─▶ store ─▶ sessions, refresh_tokens, users
//!     │         └▶ auth::revocations: in the same transaction; announced to all replicas after it
//!     ├▶ sign_in_limits: how often a sign-in may be tried
//!     └▶ cookies: the same tokens in cookies, for web pages ─▶ commands, queries
//! ```
//!
//! A sign-in begins a session. Its access tokens (JWT) name it; its refresh tokens are its family, each valid once.
//! Whatever ends the session (logout, a refresh token used twice, a changed password, a demotion, the account deleted)
//! revokes both.

mod commands;
mod cookies;
mod queries;
pub mod routes;
mod sign_in_limits;
mod store;
mod types;

pub use commands::end;
pub use sign_in_limits::{SignInLimiter, SignInLimits};
pub use store::{find_login, list_live_sessions};
