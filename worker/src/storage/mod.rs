//! Rows into PostgreSQL. It speaks to tokio-postgres directly: the verdict on a failure needs the SQLSTATE, which
//! diesel does not hand out.

mod beats;
mod connection;
mod late;
pub mod partitions;
mod rows;
mod state;
mod store;

pub use connection::{Database, connect};
pub use late::STORING_LOCK;
pub use rows::Rows;
