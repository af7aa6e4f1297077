//! Orders: made from the cart, and brought step by step to the buyer.
//!
//! ```text
//!  routes ─▶ types, idempotency ─┬▶ checkout ─▶ the cart, the catalogue's stock, idempotency keys ─▶ orders, order_items
//!                                ├▶ commands ─▶ stock given back (cancelled) · devices registered (shipped)
//!                                └▶ queries ──▶ store
//! ```
//!
//! Each change is one transaction, with its line in `order_status_changes` and in the audit log. Rows are locked in one
//! order everywhere: the buyer's account, the cart, the order, the products by id. So nobody waits in a circle.

mod checkout;
mod commands;
mod idempotency;
mod queries;
pub mod routes;
mod store;
mod types;
