//! Orders: made from the cart, and brought step by step to the buyer.
//!
//! ```text
//!  routes ─▶ types, body ─┬▶ checkout ──▶ the cart, the catalogue's stock, key_store ─▶ orders, order_items
//!                         ├▶ lifecycle ─▶ stock given back (cancelled) · devices registered (shipped)
//!                         └▶ views ─────▶ store
//! ```
//!
//! Each change is one transaction, with its line in `order_status_changes` and in the audit log. Rows are locked in one
//! order everywhere: the buyer's account, the cart, the order, the products by id. So nobody waits in a circle.

mod answer;
mod body;
mod checkout;
mod key_store;
mod lifecycle;
pub mod routes;
mod store;
mod types;
mod views;

use crate::http::error::ApiError;

/// For an order that is not there, and for somebody else's.
const NO_ORDER: ApiError = ApiError::NotFound("order");
