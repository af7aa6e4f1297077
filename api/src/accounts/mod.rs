//! People: registration, sign-in, sessions, profiles.
//!
//! ```text
//!  routes, user_routes ─▶ sessions ─▶ store ─▶ users, sessions, refresh_tokens
//!          │             ▶ users   ─┘   │
//!          └ body ◀ types               └▶ revocations (same transaction), told to all replicas after the commit
//!                   password: bcrypt on a few threads of its own
//! ```
//!
//! A sign-in begins a session. Its access tokens (JWT) name it; its refresh tokens are its family, each good once.
//! Whatever ends the session (logout, a refresh token used twice, a changed password, power taken away, the account
//! deleted) ends both.

mod administrator;
mod body;
mod login_names;
mod password;
pub mod routes;
mod sessions;
mod store;
mod types;
mod user_routes;
mod users;

pub use administrator::ensure_administrator;
