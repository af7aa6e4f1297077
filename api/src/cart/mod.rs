//! The cart: what a user means to order. One a user; prices and stock in it are today's, nothing is set aside.
//!
//! ```text
//!  routes ─▶ types ─▶ commands, queries ─▶ store ─▶ carts (locked), cart_items, and the catalogue's products
//!  orders ─▶ lock, list_wanted, empty: in the transaction that orders
//! ```

mod commands;
mod queries;
pub mod routes;
mod store;
mod types;

pub use store::{empty, list_wanted, lock};
