//! The ledger: records every reading that got a 2xx, and proves from the database that exactly those are stored.
//!
//! ```text
//!  load ─▶ Journal (file) ─▶ prove (COPY into a temporary table, join) ─▶ Proof: table, exit status
//! ```

mod command;
mod entry;
mod journal;
mod proof;
mod prove;
mod send;
mod verify;

pub use command::{LedgerCommand, run};
pub use journal::FileJournal;
pub use proof::Proof;
pub use prove::{VerifyArgs, prove};
