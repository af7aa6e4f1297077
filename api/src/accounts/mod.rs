//! Accounts: registration, profiles, administration, deletion.
//!
//! ```text
//!  routes ─▶ commands ─┬▶ store ─▶ users
//!     │                └▶ sessions: ended with a changed password, a demotion, a deletion
//!     │                └▶ audit_events, in the same transaction
//!     ├▶ queries ───────▶ store
//!     └▶ types ─▶ names (user name, e-mail address, and how they go together)
//!  administrator: the first account, from the configuration
//! ```

mod administrator;
mod audit_events;
mod commands;
mod names;
mod queries;
pub mod routes;
mod store;
mod types;

pub use administrator::ensure_administrator;
pub use store::keep_user as keep;
