//! The presence rule: whether a device is online. Silence counts only while Pulso could take data in.
//!
//! ```text
//!  last seen ────────── offline_after ──────────▶ deadline
//!  last seen ──── x ────[ outage window: L ]──── min(offline_after, rest of it + L) ──▶ deadline
//! ```
//!
//! An outage window does not count towards a device's timeout. After it, a device has what was left of its timeout plus
//! the length of the window, but never more than its whole timeout: clients back off the longer they are refused, and a
//! device that died meanwhile is still found within its timeout.

use chrono::{DateTime, TimeDelta, Utc};

/// How far a healthy storage path is behind at most; the API judges this much ahead of the watermark. A probe every
/// 250 ms vouches for the time up to the probe before it; a batch and two of the worker's watermarks come on top.
pub const HEALTHY_LAG: TimeDelta = TimeDelta::milliseconds(1_000);

/// A time in which no API replica could take data in; or one of them could not, and its devices had not moved yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutageWindow {
    /// The last instant before it at which data could be taken in.
    pub from: DateTime<Utc>,
    /// The first instant after it.
    pub until: DateTime<Utc>,
}

/// When Pulso could take data in, as of one instant: what the presence rule needs besides the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestAvailability {
    as_of: DateTime<Utc>,
    /// In order of time, disjoint.
    outages: Vec<OutageWindow>,
}

impl IngestAvailability {
    /// The availability as of an instant; `outages` in order of time.
    pub fn as_of(as_of: DateTime<Utc>, outages: Vec<OutageWindow>) -> Self {
        Self { as_of, outages }
    }

    /// The availability for a request at `now`: as of now, unless storage is further behind than [`HEALTHY_LAG`]. Then
    /// it is as of the watermark, because what devices sent since may still be queued. `None`: there is no watermark
    /// yet.
    pub fn now(now: DateTime<Utc>, stored_through: Option<DateTime<Utc>>, outages: Vec<OutageWindow>) -> Self {
        let as_of = stored_through.map_or(now, |stored| now.min(stored + HEALTHY_LAG));
        Self { as_of, outages }
    }

    /// The instant as of which devices are judged.
    pub fn instant(&self) -> DateTime<Utc> {
        self.as_of
    }

    /// The last instant at which a device is online, if it sends nothing more.
    pub fn deadline(&self, last_seen_at: DateTime<Utc>, offline_after_s: i32) -> DateTime<Utc> {
        let timeout = TimeDelta::seconds(offline_after_s.into());
        let first = self.outages.partition_point(|outage| outage.until <= last_seen_at);
        let mut deadline = last_seen_at + timeout;
        for outage in self.outages.iter().skip(first) {
            let from = outage.from.max(last_seen_at);
            if deadline < from {
                break;
            }
            let rest = deadline - from;
            deadline = outage.until + timeout.min(rest + (outage.until - from));
        }
        deadline
    }

    /// Whether a device is online. One that has never sent anything is not.
    pub fn is_online(&self, last_seen_at: Option<DateTime<Utc>>, offline_after_s: i32) -> bool {
        last_seen_at.is_some_and(|seen| self.as_of <= self.deadline(seen, offline_after_s))
    }

    /// The same rule as one bound, for SQL: a device with this timeout is online if and only if it was last seen at or
    /// after the returned instant. One bound is enough because the deadline grows with `last_seen_at`.
    pub fn oldest_online(&self, offline_after_s: i32) -> DateTime<Utc> {
        // Each outage window moves the bound by at most twice its length.
        let timeout = TimeDelta::seconds(offline_after_s.into());
        let earliest =
            self.outages.iter().fold(self.as_of - timeout, |bound, outage| bound - (outage.until - outage.from) * 2);
        // Bisection in whole microseconds, which is what the database keeps.
        let (mut offline, mut online) = (earliest.timestamp_micros().saturating_sub(1), self.as_of.timestamp_micros());
        while online.saturating_sub(offline) > 1 {
            let middle = i64::midpoint(offline, online);
            if self.is_online(DateTime::from_timestamp_micros(middle), offline_after_s) {
                online = middle;
            } else {
                offline = middle;
            }
        }
        DateTime::from_timestamp_micros(online).unwrap_or(self.as_of)
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::{HEALTHY_LAG, IngestAvailability, OutageWindow};

    /// So many seconds after some noon.
    fn at(seconds: i64) -> DateTime<Utc> {
        "2026-11-25T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::seconds(seconds)
    }

    fn available(now: i64, outages: &[(i64, i64)]) -> IngestAvailability {
        IngestAvailability::as_of(
            at(now),
            outages.iter().map(|(from, until)| OutageWindow { from: at(*from), until: at(*until) }).collect(),
        )
    }

    #[test]
    fn a_device_is_online_up_to_and_including_its_timeout() {
        let availability = available(0, &[]);
        let seen = |micros| Some(at(0) - TimeDelta::microseconds(micros));
        assert!(availability.is_online(seen(0), 10));
        assert!(availability.is_online(seen(10_000_000), 10));
        assert!(!availability.is_online(seen(10_000_001), 10));
        assert!(availability.is_online(seen(10_000_001), 180));
        assert!(availability.is_online(seen(-2_000_000), 10), "a replica whose clock runs behind");
        assert!(!availability.is_online(None, i32::MAX), "never sent anything");
    }

    #[test]
    fn the_bound_for_the_database_is_the_same_rule() {
        let histories: [&[(i64, i64)]; 5] =
            [&[], &[(100, 104)], &[(100, 400)], &[(10, 20), (22, 30), (90, 91)], &[(380, 395), (397, 399)]];
        for outages in histories {
            for (now, offline_after_s) in [(400, 1), (400, 10), (405, 10), (450, 180), (410, 300), (5_000, 604_800)] {
                let availability = available(now, outages);
                let bound = availability.oldest_online(offline_after_s);
                assert!(availability.is_online(Some(bound), offline_after_s), "{outages:?} {now} {offline_after_s}");
                let before = bound - TimeDelta::microseconds(1);
                assert!(!availability.is_online(Some(before), offline_after_s), "{outages:?} {now} {offline_after_s}");
                let agrees = |seen: i64| (at(seen) >= bound) == availability.is_online(Some(at(seen)), offline_after_s);
                assert!((-200..450).all(agrees), "{outages:?} {now} {offline_after_s}");
            }
        }
    }

    #[test]
    fn now_is_the_present_unless_storage_is_behind() {
        assert_eq!(IngestAvailability::now(at(0), None, Vec::new()).instant(), at(0));
        assert_eq!(IngestAvailability::now(at(0), Some(at(-1)), Vec::new()).instant(), at(0));
        assert_eq!(IngestAvailability::now(at(0), Some(at(-180)), Vec::new()).instant(), at(-180) + HEALTHY_LAG);
    }
}
