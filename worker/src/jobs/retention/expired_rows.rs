//! Deletes what has expired and nobody asks for again: sign-ins, keys of orders, and the parts of the timeline, of the
//! availability and of the audit log that are older than they are kept.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::clock::Clock;
use pulso_shared::locks::AdvisoryLock;
use secrecy::SecretString;

use super::expiry::RetentionPolicy;
use super::prune;
use crate::error::StoreError;
use crate::jobs::leader::try_lead;
use crate::jobs::repeat::repeat;
use crate::storage::connect;

const CHECK_EVERY: Duration = Duration::from_secs(6 * 3_600);
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// For API replicas whose clocks are behind.
const MARGIN: TimeDelta = TimeDelta::hours(1);
/// How long the API answers an order's key; it deletes a user's own when they order again.
const ORDER_KEYS_KEPT: TimeDelta = TimeDelta::hours(48);

const REFRESH_TOKENS: (&str, &str) = ("refresh_tokens", "old.expires_at < $1");
/// Whose refresh tokens have all expired; each has one from its beginning.
const SESSIONS: (&str, &str) =
    ("sessions", "old.created_at < $1 AND NOT EXISTS (SELECT FROM refresh_tokens WHERE session_id = old.id)");
const ORDER_KEYS: (&str, &str) = ("order_keys", "old.created_at < $1");
/// The last change before the cutoff stays: it is the status at the cutoff.
const TIMELINE: (&str, &str) = (
    "device_status_changes",
    "old.at < $1 AND EXISTS (SELECT FROM device_status_changes AS later
        WHERE later.device_id = old.device_id AND later.at > old.at AND later.at <= $1)",
);
/// The last run before the cutoff stays: an outage may begin at its end.
const AVAILABILITY: (&str, &str) = (
    "availability_runs",
    "old.available_until < $1 AND EXISTS (SELECT FROM availability_runs AS later
        WHERE later.available_until > old.available_until AND later.available_until <= $1)",
);
const AUDIT_LOG: (&str, &str) = ("audit_log", "old.at < $1");

/// Deletes what has expired, for as long as the process runs.
pub async fn run(url: SecretString, policy: RetentionPolicy, clock: Clock) {
    repeat("expired rows", RETRY_AFTER, || keep_deleted(&url, policy, clock)).await;
}

async fn keep_deleted(url: &SecretString, policy: RetentionPolicy, clock: Clock) -> Result<(), StoreError> {
    loop {
        let client = connect(url).await?;
        if try_lead(&client, AdvisoryLock::DeleteExpired).await? {
            for ((table, condition), cutoff) in expired(policy, clock.now()) {
                prune::rows_where(&client, table, condition, cutoff).await?;
            }
        }
        drop(client);
        tokio::time::sleep(CHECK_EVERY).await;
    }
}

/// The tables with what goes, and the instant before which it goes.
fn expired(policy: RetentionPolicy, now: DateTime<Utc>) -> Vec<((&'static str, &'static str), DateTime<Utc>)> {
    let mut all =
        vec![(REFRESH_TOKENS, now - MARGIN), (SESSIONS, now - MARGIN), (ORDER_KEYS, now - ORDER_KEYS_KEPT - MARGIN)];
    if let Some(cutoff) = policy.rollups_from(now) {
        all.extend([(TIMELINE, cutoff), (AVAILABILITY, cutoff)]);
    }
    all.extend(policy.audit_from(now).map(|cutoff| (AUDIT_LOG, cutoff)));
    all
}
