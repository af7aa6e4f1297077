//! Writes rows to PostgreSQL. Uses tokio-postgres directly: the verdict on a failure needs the SQLSTATE, which diesel
//! does not expose.

mod connect;
mod database;
pub mod dead_letter_outbox;
mod insert;
mod late_rows;
mod rows;
mod state;
mod store;
mod watermark_probes;

pub use connect::connect;
pub use database::Database;
pub use rows::{Joined, Rows};
pub use store::Stored;
