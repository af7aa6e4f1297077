//! Creates partitions before there are rows for them: a day's three days ahead, months for ten years of backlog. What has
//! no partition goes to the default one, where it can be read as well, but where each new partition has to look for rows
//! of its own.
//!
//! ```text
//!  default partition ─┬ empty or small: partitions are created, and take their rows along
//!                     ├ large, its rows between two partitions: it becomes the partition of those days as it is
//!                     └ large, its rows here and there: it stays; days ahead are created beside it
//! ```

mod day_range;
mod store;

use std::time::Duration;

use chrono::{DateTime, Days, Months, NaiveDate, Utc};
use pulso_shared::clock::Clock;
use pulso_shared::rollup::Source;
use secrecy::SecretString;
use tokio_postgres::Client;

pub use self::day_range::DayRange;
use self::day_range::{first_of_month, gap_around, missing};
use super::repeat::repeat;
use super::retention::RetentionPolicy;
use crate::error::StoreError;
use crate::metrics::set_default_partition_bytes;
use crate::storage::connect;

/// Days beyond today: after a weekend without a worker there are still partitions.
const DAYS_AHEAD: u64 = 3;
/// Devices' clocks are up to five minutes ahead: from this day on nothing can arrive yet.
const DAYS_IN_USE: u64 = 2;
/// What the API accepts unless told otherwise (`INGEST_MAX_AGE_DAYS`).
const MONTHS_BACK: u32 = 120;
/// Partitions created in one transaction where no row has to move: some 20 ms.
const AT_ONCE: usize = 12;
/// Beyond, the default partition is large: some 10,000 rows, which are moved in some tens of milliseconds.
const SMALL_BYTES: i64 = 1 << 20;
const CHECK_EVERY: Duration = Duration::from_secs(300);
/// Limit for the start of the worker.
const FIRST_TIMEOUT: Duration = Duration::from_secs(10);
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// Creates partitions before the first row is written, unless that takes too long: the default partition takes the rows
/// as well.
pub async fn create_first(url: &SecretString, policy: RetentionPolicy, clock: Clock) {
    let created = tokio::time::timeout(FIRST_TIMEOUT, create_missing(url, policy, clock.now())).await;
    if !matches!(created, Ok(Ok(()))) {
        tracing::warn!("partitions not created yet; rows go to the default partition meanwhile");
    }
}

/// Creates partitions for as long as the process runs.
pub async fn run(url: SecretString, policy: RetentionPolicy, clock: Clock) {
    repeat("partitions", RETRY_AFTER, || keep_created(&url, policy, clock)).await;
}

async fn keep_created(url: &SecretString, policy: RetentionPolicy, clock: Clock) -> Result<(), StoreError> {
    loop {
        create_missing(url, policy, clock.now()).await?;
        tokio::time::sleep(CHECK_EVERY).await;
    }
}

async fn create_missing(url: &SecretString, policy: RetentionPolicy, now: DateTime<Utc>) -> Result<(), StoreError> {
    let client = connect(url).await?;
    store::lock(&client).await?;
    for table in Source::ALL.map(Source::table) {
        store::drop_guards(&client, table).await?;
        let mut bytes = store::default_bytes(&client, table).await?;
        if bytes > SMALL_BYTES && convert_default(&client, table, now.date_naive()).await? {
            bytes = store::default_bytes(&client, table).await?;
        }
        let wanted = wanted(&store::list(&client, table).await?, policy, now);
        create(&client, table, &wanted, bytes, now.date_naive()).await?;
        set_default_partition_bytes(table, store::default_bytes(&client, table).await?);
    }
    Ok(())
}

/// The partitions that are missing: nothing that retention would drop at once, and nothing older than is accepted.
fn wanted(taken: &[DayRange], policy: RetentionPolicy, now: DateTime<Utc>) -> Vec<DayRange> {
    let today = now.date_naive();
    let oldest = first_of_month(today).checked_sub_months(Months::new(MONTHS_BACK)).unwrap_or(today);
    let kept_from = policy.raw_from(now).map_or(oldest, |kept| kept.date_naive());
    missing(taken, oldest.max(kept_from).min(today), today, days_after(today, DAYS_AHEAD + 1))
}

/// Makes the default partition an ordinary one, where its rows allow that.
async fn convert_default(client: &Client, table: &str, today: NaiveDate) -> Result<bool, StoreError> {
    let Some((first, last)) = store::days_in_default(client, table).await? else { return Ok(false) };
    let taken = store::list(client, table).await?;
    let Some(range) = gap_around(&taken, first, last, days_after(today, DAYS_IN_USE)) else {
        tracing::warn!(table, %first, %last, "large default partition: its rows lie between several partitions");
        return Ok(false);
    };
    store::convert_default(client, table, range).await?;
    tracing::info!(partition = range.partition_of(table), "default partition converted");
    Ok(true)
}

async fn create(
    client: &Client,
    table: &str,
    wanted: &[DayRange],
    default_bytes: i64,
    today: NaiveDate,
) -> Result<(), StoreError> {
    if default_bytes > SMALL_BYTES {
        for range in wanted.iter().filter(|range| range.from >= days_after(today, DAYS_IN_USE)) {
            store::create_beside(client, table, *range).await?;
            tracing::info!(partition = range.partition_of(table), "partition created");
        }
        return Ok(());
    }
    let has_rows = default_bytes > 0;
    for ranges in wanted.chunks(if has_rows { 1 } else { AT_ONCE }) {
        store::create(client, table, ranges, has_rows).await?;
    }
    if let Some((first, last)) = wanted.first().zip(wanted.last()) {
        tracing::info!(table, from = %first.from, until = %last.until, partitions = wanted.len(), "partitions created");
    }
    Ok(())
}

fn days_after(day: NaiveDate, days: u64) -> NaiveDate {
    day.checked_add_days(Days::new(days)).unwrap_or(NaiveDate::MAX)
}
