//! Sessions: begun with a password, kept by tokens or cookies, ended.

mod cookies;
mod login_limits;
pub mod tokens;
