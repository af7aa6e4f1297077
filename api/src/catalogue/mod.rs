//! The catalogue: equipment for the fleet. Everybody may look; administrators decide what is in it.
//!
//! ```text
//!  routes ─┬▶ list_query (filter, order, cursor) ─▶ queries ─▶ store ──────────▶ products
//!          ├▶ types (a product's settings) ───▶ commands ─▶ store, and the audit log in the same transaction
//!          └▶ import ─▶ feed (its items), source (where there is no body) ─▶ store, item by item
//!  cart, orders ─▶ the functions handed out here: products looked at, locked, their stock moved
//! ```
//!
//! A product is never deleted: it is retired, and stays for the orders it is in.

mod commands;
mod import;
mod list_query;
mod money;
mod queries;
pub mod routes;
mod store;
mod types;

pub use import::source::FeedSource;
#[cfg(test)]
pub use money::PriceMinor;
pub use store::{LockedProduct, find_product, lock_products, move_stock};
pub use types::NO_PRODUCT;
