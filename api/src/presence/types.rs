//! Queries and responses about presence. The rule itself is [`IngestAvailability`]'s.

use chrono::{DateTime, Utc};
use pulso_shared::ids::DeviceId;
use pulso_shared::presence::IngestAvailability;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::http::error::FieldError;
use crate::http::extract::query::parse_range;

/// Whether a device is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PresenceStatus {
    /// Its newest data is fresh enough.
    Online,
    /// Its newest data is too old, or it has never sent any.
    Offline,
}

impl PresenceStatus {
    /// The status of a device whose newest data is from `last_seen_at` and may be `offline_after_s` old.
    pub fn of(availability: &IngestAvailability, last_seen_at: Option<DateTime<Utc>>, offline_after_s: i32) -> Self {
        if availability.is_online(last_seen_at, offline_after_s) { Self::Online } else { Self::Offline }
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

/// Which part of a timeline is wanted.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct TimelineQuery {
    /// Its beginning (RFC 3339; without an offset UTC); by default, when the device was registered.
    #[param(value_type = Option<DateTime<Utc>>, example = "2026-11-21T00:00:00Z")]
    start: Option<String>,
    /// Its end (RFC 3339; without an offset UTC); by default, now.
    #[param(value_type = Option<DateTime<Utc>>, example = "2026-11-21T23:59:59Z")]
    end: Option<String>,
}

/// A range as it was asked for; `None` is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Its beginning.
    pub start: Option<DateTime<Utc>>,
    /// Its end.
    pub end: Option<DateTime<Utc>>,
}

/// A range within a device's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// Its beginning.
    pub start: DateTime<Utc>,
    /// Its end; not before the beginning.
    pub end: DateTime<Utc>,
}

impl TimelineQuery {
    /// Checks it.
    pub fn parse(&self) -> Result<Asked, Vec<FieldError>> {
        let mut faults = Vec::new();
        let (start, end) = parse_range(&mut faults, ("start", self.start.as_deref()), ("end", self.end.as_deref()));
        if faults.is_empty() { Ok(Asked { start, end }) } else { Err(faults) }
    }
}

impl Asked {
    /// What of it lies between the device's registration and the instant up to which it has been judged.
    pub fn within(self, created_at: DateTime<Utc>, judged_until: DateTime<Utc>) -> Range {
        let start = self.start.map_or(created_at, |start| start.max(created_at));
        let end = self.end.map_or(judged_until, |end| end.min(judged_until));
        Range { start, end: end.max(start) }
    }
}

/// A device that has gone or came back.
#[derive(Debug, Serialize, ToSchema)]
pub struct StatusChange {
    /// When, by what it sent: for `online` the timestamp of its newest data, for `offline` when its time was over.
    pub at: DateTime<Utc>,
    /// What it was from then on.
    pub status: PresenceStatus,
    /// When Pulso could be sure of it.
    pub decided_at: DateTime<Utc>,
    /// Why.
    pub reason: ChangeReason,
}

/// Why a device's status has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChangeReason {
    /// It sent something.
    Data,
    /// It was silent for longer than it may be.
    Silence,
    /// The same; it was given more time, because Pulso could not hear for some of it.
    SilenceAfterOutage,
}

/// How long a device was there.
#[derive(Debug, Serialize, ToSchema)]
pub struct Uptime {
    /// `online_s` out of `online_s + offline_s`, %. `null` where both are 0.
    #[schema(required, example = 99.5)]
    pub percent: Option<f64>,
    /// Online, s.
    pub online_s: f64,
    /// Offline, s.
    pub offline_s: f64,
    /// Neither: Pulso itself could not hear, s.
    pub unknown_s: f64,
}

impl Uptime {
    /// From what was counted.
    pub fn new(online_s: f64, offline_s: f64, unknown_s: f64) -> Self {
        let known_s = online_s + offline_s;
        let percent = (known_s > 0.0).then(|| 100.0 * online_s / known_s);
        Self { percent, online_s, offline_s, unknown_s }
    }
}

/// A device's timeline.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimelineResponse {
    /// The device.
    pub device_id: DeviceId,
    /// Whether it is there now.
    pub status: PresenceStatus,
    /// The beginning of what is told of: not before the device was registered.
    pub start: DateTime<Utc>,
    /// The end of what is told of: not after the instant up to which everything received is stored.
    pub end: DateTime<Utc>,
    /// How long it was there between the two.
    pub uptime: Uptime,
    /// What changed between the two, newest first, a page of it. Before the first change of all a device is offline.
    pub changes: Vec<StatusChange>,
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::{Asked, Range, TimelineQuery, Uptime};

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    #[test]
    fn every_fault_is_named() {
        let query = |start: &str, end: &str| TimelineQuery { start: Some(start.into()), end: Some(end.into()) };
        let faults = query("yesterday", "").parse().unwrap_err();
        let pointers: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        assert_eq!(pointers, ["/start", "/end"]);
        let faults = query("2026-11-21T12:00:01Z", "2026-11-21T12:00:00Z").parse().unwrap_err();
        assert_eq!(faults[0].detail, "Start time cannot be after end time");
    }

    #[test]
    fn a_range_stays_within_what_is_known_and_never_runs_backwards() {
        let asked = |start, end| Asked { start, end };
        let range = |start, end| Range { start: at(start), end: at(end) };
        assert_eq!(asked(None, None).within(at(10), at(20)), range(10, 20));
        assert_eq!(asked(Some(at(5)), Some(at(30))).within(at(10), at(20)), range(10, 20));
        assert_eq!(asked(Some(at(12)), Some(at(13))).within(at(10), at(20)), range(12, 13));
        assert_eq!(asked(None, Some(at(5))).within(at(10), at(20)), range(10, 10));
        assert_eq!(asked(Some(at(25)), None).within(at(10), at(20)), range(25, 25));
    }

    #[test]
    fn the_time_in_which_nobody_listened_is_no_downtime() {
        assert_eq!(Uptime::new(75.0, 25.0, 900.0).percent, Some(75.0));
        assert_eq!(Uptime::new(0.0, 0.0, 900.0).percent, None);
    }
}
