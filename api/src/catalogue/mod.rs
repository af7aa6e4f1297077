//! The catalogue: equipment for the fleet. Everybody may look; administrators decide what is in it.
//!
//! ```text
//!  routes ───────▶ types ─▶ store ─────────────▶ products
//!  admin_routes ─▶ body ──▶ lifecycle ─▶ store, and the audit log in the same transaction
//!        └ import ▶ source (a feed's address) ─▶ feed (its items) ─▶ import ─▶ store, item by item
//!  cart, orders ─▶ the functions handed out here: products looked at, locked, their stock moved
//! ```
//!
//! A product is never deleted: it is retired, and stays for the orders it is in.

mod admin_routes;
mod body;
mod feed;
mod import;
mod lifecycle;
pub mod money;
pub mod routes;
mod source;
mod store;
mod types;

use crate::http::error::ApiError;

pub use store::{LockedProduct, find_product, lock_products, move_stock};

/// For a product that is not there, and for a retired one.
pub const NO_PRODUCT: ApiError = ApiError::NotFound("product");
