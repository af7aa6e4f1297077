//! The rule that says who is there.

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::ids::DeviceId;
use serde::Serialize;
use utoipa::ToSchema;

/// Whether a device is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PresenceStatus {
    /// Its newest data is fresh enough.
    Online,
    /// Its newest data is too old, or it has never sent any.
    Offline,
}

/// The status at `now` of a device whose newest data is from `last_seen_at` and may be `offline_after_s` old.
#[must_use]
pub fn status_at(now: DateTime<Utc>, last_seen_at: Option<DateTime<Utc>>, offline_after_s: i32) -> PresenceStatus {
    let limit = TimeDelta::seconds(offline_after_s.into());
    match last_seen_at {
        Some(seen) if now.signed_duration_since(seen) <= limit => PresenceStatus::Online,
        _ => PresenceStatus::Offline,
    }
}

/// Whether a device is there, as `/health` answers it.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthResponse {
    /// The device.
    pub server_ulid: DeviceId,
    /// Its name.
    #[schema(example = "Dolly #1")]
    pub server_name: String,
    /// Whether it is there.
    pub status: PresenceStatus,
    /// When it was last heard of: the earlier of its own timestamp and our receipt. `null`: never.
    #[schema(required)]
    pub last_seen_at: Option<DateTime<Utc>>,
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::PresenceStatus::{Offline, Online};
    use super::status_at;

    #[test]
    fn a_device_is_online_up_to_and_including_its_limit() {
        let now: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
        let seen = |micros| Some(now - TimeDelta::microseconds(micros));
        assert_eq!(status_at(now, seen(0), 10), Online);
        assert_eq!(status_at(now, seen(10_000_000), 10), Online);
        assert_eq!(status_at(now, seen(10_000_001), 10), Offline);
        assert_eq!(status_at(now, seen(10_000_001), 180), Online);
    }

    #[test]
    fn a_device_that_never_sent_anything_is_offline() {
        assert_eq!(status_at(DateTime::UNIX_EPOCH, None, i32::MAX), Offline);
    }

    #[test]
    fn a_replica_whose_clock_runs_behind_still_sees_it_online() {
        let now: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
        assert_eq!(status_at(now, Some(now + TimeDelta::seconds(2)), 10), Online);
    }
}
