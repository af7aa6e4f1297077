//! People: registration, sign-in, sessions, profiles.
//!
//! ```text
//!  routes, user_routes ─▶ sessions ─▶ session_store, store ─▶ sessions, refresh_tokens, users
//!          │              users    ─┘      │
//!          ├▶ body ◀ types                 └▶ revocations: in the same transaction; told to all replicas after it
//!          ├▶ cookie_session: the same tokens in cookies, for web pages
//!          └▶ answer
//!  login_limits: how often a sign-in may be tried
//!  password: bcrypt, on a few threads of its own
//! ```
//!
//! A sign-in begins a session. Its access tokens (JWT) name it; its refresh tokens are its family, each good once.
//! Whatever ends the session (logout, a refresh token used twice, a changed password, power taken away, the account
//! deleted) ends both.

mod administrator;
mod answer;
mod body;
mod cookie_session;
mod login_limits;
mod login_names;
mod password;
pub mod routes;
mod session_store;
mod sessions;
mod store;
mod types;
mod user_routes;
mod users;

pub use administrator::ensure_administrator;
pub use store::keep_user as keep;
