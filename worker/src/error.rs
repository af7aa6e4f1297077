//! Storage errors with their verdict: transient (retry) or poison (dead-letter).

use tokio_postgres::error::SqlState;

/// Why a statement failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The same rows may be stored later.
    #[error("{0}")]
    Transient(String),
    /// The statement timed out; with fewer rows it may succeed.
    #[error("{0}")]
    TooSlow(String),
    /// At least one of the rows can never be stored.
    #[error("{0}")]
    Poison(String),
    /// Some of the rows exist already.
    #[error("some rows exist already")]
    Duplicate,
    /// Some of the rows' devices have been deleted.
    #[error("some devices are deleted")]
    DeviceGone,
}

/// Violated only by rows of a deleted device.
const DEVICE_STATE_DEVICE: &str = "device_state_device_id_fkey";

/// Ends the name of a CHECK on a default partition that is there while another partition is created beside it. A row that
/// violates it has a partition soon, or the CHECK is gone.
pub const GUARD_SUFFIX: &str = "_default_guard";

impl From<tokio_postgres::Error> for StoreError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            Some(database) => judge(database.code(), database.constraint(), database.message()),
            None => Self::Transient(describe(&error)),
        }
    }
}

/// Judges by SQLSTATE. Only the classes 22 (data exception) and 23 (integrity violation) are a row's fault; everything
/// else (no connection, disk full, timeout, deadlock, shutdown, a missing table before the migrations have run) is
/// transient, so that no good row is lost to it.
fn judge(code: &SqlState, constraint: Option<&str>, message: &str) -> StoreError {
    let text = format!("{message} (SQLSTATE {})", code.code());
    match code {
        // Not by name, because each partition's key has its own; the tables have no other unique constraint.
        &SqlState::UNIQUE_VIOLATION => StoreError::Duplicate,
        &SqlState::FOREIGN_KEY_VIOLATION if constraint == Some(DEVICE_STATE_DEVICE) => StoreError::DeviceGone,
        // The statement timeout, or somebody's `pg_cancel_backend`.
        &SqlState::QUERY_CANCELED => StoreError::TooSlow(text),
        // A partition was attached while the row was being inserted into the default one: the next attempt finds it. A
        // CHECK of the table itself has a name.
        &SqlState::CHECK_VIOLATION if constraint.is_none_or(|name| name.ends_with(GUARD_SUFFIX)) => {
            StoreError::Transient(text)
        }
        code if code.code().starts_with("22") || code.code().starts_with("23") => StoreError::Poison(text),
        _ => StoreError::Transient(text),
    }
}

/// An error with its source: the outer text alone says little.
fn describe(error: &tokio_postgres::Error) -> String {
    use std::error::Error;
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use tokio_postgres::error::SqlState;

    use super::{StoreError, judge};

    fn verdict(code: &str, constraint: Option<&str>) -> &'static str {
        match judge(&SqlState::from_code(code), constraint, "no luck") {
            StoreError::Transient(_) => "transient",
            StoreError::TooSlow(_) => "too slow",
            StoreError::Poison(_) => "poison",
            StoreError::Duplicate => "duplicate",
            StoreError::DeviceGone => "device gone",
        }
    }

    #[test]
    fn only_a_rows_own_fault_is_poison() {
        for (code, what) in [
            ("22003", "numeric value out of range"),
            ("22P02", "invalid text representation"),
            ("22021", "character not in repertoire"),
            ("23502", "not null violation"),
            ("23503", "foreign key violation"),
        ] {
            assert_eq!(verdict(code, Some("somebodys_constraint")), "poison", "{what}");
        }
    }

    #[test]
    fn everything_that_may_pass_is_transient() {
        for (code, what) in [
            ("08006", "connection failure"),
            ("25P02", "in failed transaction"),
            ("25006", "read-only transaction: a standby"),
            ("40001", "serialization failure"),
            ("40P01", "deadlock"),
            ("42P01", "undefined table: migrations have not run"),
            ("42703", "undefined column: an older schema"),
            ("53100", "disk full"),
            ("53300", "too many connections"),
            ("55P03", "lock timeout"),
            ("57P01", "administrator's shutdown"),
            ("57P03", "the database starts"),
            ("XX000", "internal error"),
            ("99999", "unknown"),
        ] {
            assert_eq!(verdict(code, None), "transient", "{what}");
        }
    }

    #[test]
    fn some_violations_mean_more() {
        assert_eq!(verdict("23505", Some("heartbeats_20261125_pkey")), "duplicate");
        assert_eq!(verdict("23505", None), "duplicate");
        assert_eq!(verdict("23503", Some("device_state_device_id_fkey")), "device gone");
        assert_eq!(verdict("57014", None), "too slow");
        assert_eq!(verdict("23514", Some("heartbeats_cpu_usage_check")), "poison");
        assert_eq!(verdict("23514", Some("heartbeats_default_guard")), "transient", "a partition is being created");
        assert_eq!(verdict("23514", None), "transient", "the partition's own bounds: it has just been attached");
    }

    #[test]
    fn the_text_names_the_sqlstate() {
        let error = judge(&SqlState::NUMERIC_VALUE_OUT_OF_RANGE, None, "out of range");
        assert_eq!(error.to_string(), "out of range (SQLSTATE 22003)");
    }
}
