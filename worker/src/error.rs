//! What can go wrong with storing, and the verdict: is it the row's fault, or the world's?

use tokio_postgres::error::SqlState;

/// Why rows were not stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The same rows may well be stored in a moment: wait, and try again.
    #[error("{0}")]
    Transient(String),
    /// It took longer than a statement may: fewer rows may well be quicker.
    #[error("{0}")]
    TooSlow(String),
    /// At least one of the rows can never be stored: find it.
    #[error("{0}")]
    Poison(String),
    /// Some of the rows are there already: insert the others.
    #[error("some rows are there already")]
    Duplicate,
    /// Some of the rows' devices have been deleted meanwhile.
    #[error("some devices are gone")]
    DeviceGone,
}

/// The constraints whose violation means something to us.
const DEVICE_STATE_DEVICE: &str = "device_state_device_id_fkey";

impl From<tokio_postgres::Error> for StoreError {
    /// Judges by SQLSTATE. Only the classes 22 (data exception) and 23 (integrity violation) are a row's fault;
    /// everything else (no connection, disk full, timeout, deadlock, shutdown, a missing table while
    /// migrations have not run) passes, and no good row is thrown away for it.
    fn from(error: tokio_postgres::Error) -> Self {
        let Some(database) = error.as_db_error() else {
            return Self::Transient(describe(&error));
        };
        let text = format!("{} (SQLSTATE {})", database.message(), database.code().code());
        match database.code() {
            // Each partition's key has a name of its own; our tables have no other unique constraint.
            &SqlState::UNIQUE_VIOLATION => Self::Duplicate,
            &SqlState::FOREIGN_KEY_VIOLATION if database.constraint() == Some(DEVICE_STATE_DEVICE) => Self::DeviceGone,
            // Our own timeout, or somebody's `pg_cancel_backend`.
            &SqlState::QUERY_CANCELED => Self::TooSlow(text),
            // A partition was attached while the row was on its way into the default one: the next attempt finds it.
            // (A table's own CHECK has a name.)
            &SqlState::CHECK_VIOLATION if database.constraint().is_none() => Self::Transient(text),
            code if code.code().starts_with("22") || code.code().starts_with("23") => Self::Poison(text),
            _ => Self::Transient(text),
        }
    }
}

/// An error with what caused it: the outer text alone says little.
fn describe(error: &tokio_postgres::Error) -> String {
    use std::error::Error;
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
