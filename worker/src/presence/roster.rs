//! All devices as the clock's keeper remembers them, and who of them has gone or is back. Knows no SQL.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::presence::IngestAvailability;
use uuid::Uuid;

/// A device as the database has it.
#[derive(Debug, Clone, Copy)]
pub struct DeviceRow {
    /// Which one.
    pub id: Uuid,
    /// When it was last heard of.
    pub last_seen_at: Option<DateTime<Utc>>,
    /// How long it may be silent, s.
    pub offline_after_s: i32,
}

/// A device that has gone or is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Which one.
    pub device: Uuid,
    /// Back, or gone.
    pub is_online: bool,
    /// Since when, by the data.
    pub at: DateTime<Utc>,
    /// Why.
    pub reason: Reason,
}

/// What was last said of a device.
#[derive(Debug, Clone, Copy)]
pub struct LastChange {
    /// Which one.
    pub device: Uuid,
    /// That it is back, or that it has gone.
    pub is_online: bool,
    /// Since when.
    pub at: DateTime<Utc>,
}

/// Why a device's status has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// It sent something.
    Data,
    /// It did not.
    Silence,
    /// It did not, and was given more time because Pulso could not hear for some of it.
    SilenceAfterOutage,
}

impl Change {
    /// The status as the timeline names it.
    #[must_use]
    pub fn status(&self) -> &'static str {
        if self.is_online { "online" } else { "offline" }
    }
}

impl Reason {
    /// The reason as the timeline names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Data => "data",
            Self::Silence => "silence",
            Self::SilenceAfterOutage => "silence_after_outage",
        }
    }
}

/// What is remembered of a device.
#[derive(Debug, Clone, Copy)]
struct Entry {
    last_seen_at: Option<DateTime<Utc>>,
    offline_after_s: i32,
    /// What was last written down.
    is_online: bool,
}

/// All devices.
#[derive(Debug, Default)]
pub struct Roster(HashMap<Uuid, Entry>);

impl Roster {
    /// All devices, and what was last said of them.
    #[must_use]
    pub fn new(devices: &[DeviceRow], said: &[LastChange]) -> Self {
        let mut roster = Self::default();
        roster.update(devices);
        for last in said {
            if let Some(entry) = roster.0.get_mut(&last.device) {
                entry.is_online = last.is_online;
            }
        }
        roster
    }

    /// Learns all devices anew: those that are new, and which are no more.
    pub fn replace(&mut self, devices: &[DeviceRow]) {
        let before = std::mem::take(&mut self.0);
        self.0.reserve(devices.len());
        for device in devices {
            let is_online = before.get(&device.id).is_some_and(|entry| entry.is_online);
            self.0.insert(device.id, Entry::new(device, is_online));
        }
    }

    /// Learns what is new of some devices.
    pub fn update(&mut self, devices: &[DeviceRow]) {
        for device in devices {
            let is_online = self.0.get(&device.id).is_some_and(|entry| entry.is_online);
            self.0.insert(device.id, Entry::new(device, is_online));
        }
    }

    /// Whose status is not what was last written down.
    #[must_use]
    pub fn judge(&self, hearing: &IngestAvailability) -> Vec<Change> {
        self.0.iter().filter_map(|(device, entry)| entry.judge(*device, hearing)).collect()
    }

    /// Notes that changes were written down.
    pub fn apply(&mut self, changes: &[Change]) {
        for change in changes {
            if let Some(entry) = self.0.get_mut(&change.device) {
                entry.is_online = change.is_online;
            }
        }
    }

    /// How many are there.
    #[must_use]
    pub fn count_online(&self) -> usize {
        self.0.values().filter(|entry| entry.is_online).count()
    }
}

impl Entry {
    fn new(device: &DeviceRow, is_online: bool) -> Self {
        Self { last_seen_at: device.last_seen_at, offline_after_s: device.offline_after_s, is_online }
    }

    fn judge(&self, device: Uuid, hearing: &IngestAvailability) -> Option<Change> {
        let seen = self.last_seen_at?;
        let deadline = hearing.deadline(seen, self.offline_after_s);
        let is_online = hearing.instant() <= deadline;
        let spared = deadline != seen + TimeDelta::seconds(self.offline_after_s.into());
        let (at, reason) = match (is_online, spared) {
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

    use super::{Change, DeviceRow, LastChange, Reason, Roster};

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

    fn heard(second: i64) -> IngestAvailability {
        IngestAvailability::as_of(at(second), Vec::new())
    }

    #[test]
    fn each_change_is_told_once() {
        let mut roster = Roster::new(&seen(None), &[]);
        assert_eq!(roster.judge(&heard(1_000)), []);
        roster.update(&seen(Some(1_000)));
        let back = Change { device: DEVICE, is_online: true, at: at(1_000), reason: Reason::Data };
        assert_eq!(roster.judge(&heard(1_010)), [back]);
        roster.apply(&[back]);
        assert_eq!(roster.judge(&heard(1_010)), []);
        let gone = Change { device: DEVICE, is_online: false, at: at(1_010), reason: Reason::Silence };
        assert_eq!(roster.judge(&heard(1_011)), [gone]);
        roster.apply(&[gone]);
        assert_eq!(roster.judge(&heard(2_000)), []);
    }

    #[test]
    fn who_takes_over_goes_on_from_what_was_written_down() {
        let roster = Roster::new(&seen(Some(1_000)), &online());
        assert_eq!(roster.judge(&heard(1_005)), []);
        let changes = roster.judge(&heard(1_500));
        assert_eq!((changes.len(), changes[0].at), (1, at(1_010)));
    }

    #[test]
    fn an_outage_is_the_reason_where_it_gave_more_time() {
        let roster = Roster::new(&seen(Some(1_000)), &online());
        let outage = vec![OutageWindow { from: at(1_005), until: at(1_100) }];
        assert_eq!(roster.judge(&IngestAvailability::as_of(at(1_110), outage.clone())), []);
        let changes = roster.judge(&IngestAvailability::as_of(at(1_111), outage));
        assert_eq!((changes[0].at, changes[0].reason), (at(1_110), Reason::SilenceAfterOutage));
    }

    #[test]
    fn a_deleted_device_is_forgotten_and_the_others_are_remembered() {
        let mut roster = Roster::new(&seen(Some(1_000)), &online());
        roster.replace(&seen(Some(1_001)));
        assert_eq!(roster.count_online(), 1);
        roster.replace(&[]);
        assert_eq!((roster.count_online(), roster.judge(&heard(2_000))), (0, vec![]));
    }
}
