//! Drops whole days. A day's partition is first detached, which is quick once its lock is granted, and then dropped as
//! a table of its own: the partitioned tables, which rows are written to, are locked only for the former.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};
use tokio_postgres::Client;

use crate::error::StoreError;

/// The days of a table, including one that was detached by a worker that was then killed.
const DAYS: &str = "
    SELECT relname::text, relispartition FROM pg_class
    WHERE relkind = 'r' AND relname ~ ('^' || $1 || '_[0-9]{8}$')
        AND relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = to_regclass($1))
    ORDER BY relname";

/// Drops the days of `table` that end by `cutoff`; fails when a lock is not granted in time.
pub async fn before(client: &Client, table: &str, cutoff: DateTime<Utc>) -> Result<(), StoreError> {
    for row in client.query(DAYS, &[&table]).await? {
        let (day, is_attached): (String, bool) = (row.try_get(0)?, row.try_get(1)?);
        if !ends_by(table, &day, cutoff) {
            continue;
        }
        if is_attached {
            client.batch_execute(&format!("ALTER TABLE {table} DETACH PARTITION {day}")).await?;
        }
        client.batch_execute(&format!("DROP TABLE {day}")).await?;
        tracing::info!(partition = day, "partition dropped: too old");
    }
    Ok(())
}

fn ends_by(table: &str, partition: &str, cutoff: DateTime<Utc>) -> bool {
    let digits = partition.strip_prefix(table).and_then(|rest| rest.strip_prefix('_'));
    let day = digits.and_then(|digits| NaiveDate::parse_from_str(digits, "%Y%m%d").ok());
    let end = day.and_then(|day| day.checked_add_days(Days::new(1)));
    end.is_some_and(|end| end.and_time(NaiveTime::MIN).and_utc() <= cutoff)
}

#[cfg(test)]
mod tests {
    use super::ends_by;

    #[test]
    fn a_day_goes_when_all_of_it_is_too_old() {
        let cutoff = "2026-11-02T00:00:00Z".parse().unwrap();
        assert!(ends_by("heartbeats", "heartbeats_20261101", cutoff));
        assert!(!ends_by("heartbeats", "heartbeats_20261102", cutoff));
        for other in ["heartbeats_default", "heartbeats_20261301", "readings_20261101", "heartbeats20261101"] {
            assert!(!ends_by("heartbeats", other, cutoff), "{other}");
        }
    }
}
