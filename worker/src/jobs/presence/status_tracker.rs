//! Tracks the status of all devices, and finds those whose status has changed. Knows no SQL.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::presence::IngestAvailability;
use uuid::Uuid;

/// A device in the database.
#[derive(Debug, Clone, Copy)]
pub struct DeviceRow {
    pub id: Uuid,
    /// `None`: never.
    pub last_seen_at: Option<DateTime<Utc>>,
    pub offline_after_s: i32,
}

/// A device whose status has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    pub device: Uuid,
    pub is_online: bool,
    /// When, by the data.
    pub at: DateTime<Utc>,
    pub reason: Reason,
}

/// The newest entry of a device's timeline.
#[derive(Debug, Clone, Copy)]
pub struct LastChange {
    pub device: Uuid,
    pub is_online: bool,
    pub at: DateTime<Utc>,
}

/// Why a device's status has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It sent something.
    Data,
    /// Its timeout has passed.
    Silence,
    /// Its timeout has passed, extended by an outage window.
    SilenceAfterOutage,
}

impl Change {
    /// As in the timeline.
    pub fn status(&self) -> &'static str {
        if self.is_online { "online" } else { "offline" }
    }
}

impl Reason {
    /// As in the timeline.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Silence => "silence",
            Self::SilenceAfterOutage => "silence_after_outage",
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    last_seen_at: Option<DateTime<Utc>>,
    offline_after_s: i32,
    /// By the timeline.
    is_online: bool,
}

/// All devices and their status by the timeline.
#[derive(Debug, Default)]
pub struct DeviceStatusTracker(HashMap<Uuid, Entry>);

impl DeviceStatusTracker {
    /// All devices, and the newest entries of their timelines.
    pub fn new(devices: &[DeviceRow], last_changes: &[LastChange]) -> Self {
        let mut tracker = Self::default();
        tracker.update(devices);
        for last in last_changes {
            if let Some(entry) = tracker.0.get_mut(&last.device) {
                entry.is_online = last.is_online;
            }
        }
        tracker
    }

    /// Replaces all devices: adds new ones, and drops deleted ones.
    pub fn replace(&mut self, devices: &[DeviceRow]) {
        let before = std::mem::take(&mut self.0);
        self.0.reserve(devices.len());
        for device in devices {
            let is_online = before.get(&device.id).is_some_and(|entry| entry.is_online);
            self.0.insert(device.id, Entry::new(device, is_online));
        }
    }

    /// Updates some devices.
    pub fn update(&mut self, devices: &[DeviceRow]) {
        for device in devices {
            let is_online = self.0.get(&device.id).is_some_and(|entry| entry.is_online);
            self.0.insert(device.id, Entry::new(device, is_online));
        }
    }

    /// The devices whose status differs from the timeline.
    pub fn judge(&self, availability: &IngestAvailability) -> Vec<Change> {
        self.0.iter().filter_map(|(device, entry)| entry.judge(*device, availability)).collect()
    }

    /// Takes over changes that were written to the timeline.
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            if let Some(entry) = self.0.get_mut(&change.device) {
                entry.is_online = change.is_online;
            }
        }
    }

    pub fn count_online(&self) -> usize {
        self.0.values().filter(|entry| entry.is_online).count()
    }
}

impl Entry {
    fn new(device: &DeviceRow, is_online: bool) -> Self {
        Self { last_seen_at: device.last_seen_at, offline_after_s: device.offline_after_s, is_online }
    }

    fn judge(&self, device: Uuid, availability: &IngestAvailability) -> Option<Change> {
        let seen = self.last_seen_at?;
        let deadline = availability.deadline(seen, self.offline_after_s);
        let is_online = availability.instant() <= deadline;
        let extended = deadline != seen + TimeDelta::seconds(self.offline_after_s.into());
        let (at, reason) = match (is_online, extended) {
            (true, _) => (seen, Reason::Data),
            (false, false) => (deadline, Reason::Silence),
            (false, true) => (deadline, Reason::SilenceAfterOutage),
        };
        (is_online != self.is_online).then_some(Change { device, is_online, at, reason })
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};
    use pulso_shared::presence::{IngestAvailability, OutageWindow};
    use uuid::Uuid;

    use super::{Change, DeviceRow, DeviceStatusTracker, LastChange, Reason};

    const DEVICE: Uuid = Uuid::from_u128(1);

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn seen(second: Option<i64>) -> [DeviceRow; 1] {
        [DeviceRow { id: DEVICE, last_seen_at: second.map(at), offline_after_s: 10 }]
    }

    fn online() -> [LastChange; 1] {
        [LastChange { device: DEVICE, is_online: true, at: at(900) }]
    }

    fn as_of(second: i64) -> IngestAvailability {
        IngestAvailability::as_of(at(second), Vec::new())
    }

    #[test]
    fn each_change_is_found_once() {
        let mut tracker = DeviceStatusTracker::new(&seen(None), &[]);
        assert_eq!(tracker.judge(&as_of(1_000)), []);
        tracker.update(&seen(Some(1_000)));
        let back = Change { device: DEVICE, is_online: true, at: at(1_000), reason: Reason::Data };
        assert_eq!(tracker.judge(&as_of(1_010)), [back]);
        tracker.apply(&[back]);
        assert_eq!(tracker.judge(&as_of(1_010)), []);
        let gone = Change { device: DEVICE, is_online: false, at: at(1_010), reason: Reason::Silence };
        assert_eq!(tracker.judge(&as_of(1_011)), [gone]);
        tracker.apply(&[gone]);
        assert_eq!(tracker.judge(&as_of(2_000)), []);
    }

    #[test]
    fn a_new_leader_continues_from_the_timeline() {
        let tracker = DeviceStatusTracker::new(&seen(Some(1_000)), &online());
        assert_eq!(tracker.judge(&as_of(1_005)), []);
        let changes = tracker.judge(&as_of(1_500));
        assert_eq!((changes.len(), changes[0].at), (1, at(1_010)));
    }

    #[test]
    fn an_outage_is_the_reason_where_it_extended_the_timeout() {
        let tracker = DeviceStatusTracker::new(&seen(Some(1_000)), &online());
        let outage = vec![OutageWindow { from: at(1_005), until: at(1_100) }];
        assert_eq!(tracker.judge(&IngestAvailability::as_of(at(1_110), outage.clone())), []);
        let changes = tracker.judge(&IngestAvailability::as_of(at(1_111), outage));
        assert_eq!((changes[0].at, changes[0].reason), (at(1_110), Reason::SilenceAfterOutage));
    }

    #[test]
    fn a_deleted_device_is_dropped_and_the_others_keep_their_status() {
        let mut tracker = DeviceStatusTracker::new(&seen(Some(1_000)), &online());
        tracker.replace(&seen(Some(1_001)));
        assert_eq!(tracker.count_online(), 1);
        tracker.replace(&[]);
        assert_eq!((tracker.count_online(), tracker.judge(&as_of(2_000))), (0, vec![]));
    }
    #[test]
    fn a_device_that_never_sent_anything_is_offline_from_the_start() {
        let tracker = DeviceStatusTracker::new(&seen(None), &[]);
        assert_eq!((tracker.count_online(), tracker.judge(&as_of(i64::from(i32::MAX)))), (0, vec![]));
    }

    #[test]
    fn a_timeline_of_a_deleted_device_is_ignored() {
        let tracker = DeviceStatusTracker::new(&[], &online());
        assert_eq!((tracker.count_online(), tracker.judge(&as_of(2_000))), (0, vec![]));
    }

    #[test]
    fn a_shorter_timeout_counts_from_the_next_update_on() {
        let mut tracker = DeviceStatusTracker::new(&seen(Some(1_000)), &online());
        assert_eq!(tracker.judge(&as_of(1_008)), []);
        let shorter = DeviceRow { offline_after_s: 5, ..seen(Some(1_000))[0] };
        tracker.update(&[shorter]);
        assert_eq!(tracker.judge(&as_of(1_008))[0].at, at(1_005), "by the data, not when it was noticed");
    }
}
