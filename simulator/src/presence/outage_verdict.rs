//! What is promised for devices that survive an outage, and for those that fail in it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::flapping_verdict::TOLERANCE;
use super::send_log::SendLog;
use super::timeline::Timeline;

/// How late a silence may be noticed.
pub const NOTICED_WITHIN: TimeDelta = TimeDelta::seconds(2);

/// How well Pulso told failed devices from those that it could not hear.
#[derive(Debug)]
pub struct OutageVerdict {
    recovered_at: DateTime<Utc>,
    offline_after: TimeDelta,
    /// Devices that survived it.
    pub survivors: usize,
    /// Devices that failed in it.
    pub failed: usize,
    /// Times that a device was called offline while it sent, or before its time was over.
    pub falsely_offline: usize,
    /// Failed devices that were never called offline.
    pub missed: usize,
    /// Failed devices that were called offline later than promised.
    pub noticed_late: usize,
    /// Devices that show nothing: no heartbeat of theirs was accepted before the outage, or after the recovery.
    pub without_evidence: usize,
    /// How long after the recovery each failed device was called offline; zero for before.
    pub noticed_after: Vec<Duration>,
    /// The longest time between two responses to a survivor.
    pub longest_gap: Duration,
}

impl OutageVerdict {
    /// Of no device yet.
    pub fn new(recovered_at: DateTime<Utc>, offline_after: TimeDelta) -> Self {
        Self {
            recovered_at,
            offline_after,
            survivors: 0,
            failed: 0,
            falsely_offline: 0,
            missed: 0,
            noticed_late: 0,
            without_evidence: 0,
            noticed_after: Vec::new(),
            longest_gap: Duration::ZERO,
        }
    }

    /// Adds a device that survived: it must not have been called offline.
    pub fn add_survivor(&mut self, log: &SendLog, timeline: &Timeline) {
        self.survivors = self.survivors.saturating_add(1);
        self.falsely_offline = self.falsely_offline.saturating_add(timeline.offline().count());
        self.longest_gap = self.longest_gap.max(log.longest_gap());
        let has_evidence = log.answered_at.first().is_some_and(|first| *first < self.recovered_at)
            && log.answered_at.last().is_some_and(|last| *last >= self.recovered_at);
        self.without_evidence = self.without_evidence.saturating_add(usize::from(!has_evidence));
    }

    /// Adds a device that failed: it must have been called offline, not before its time was over, and soon enough.
    pub fn add_failed(&mut self, log: &SendLog, timeline: &Timeline) {
        self.failed = self.failed.saturating_add(1);
        let Some(last) = log.accepted.last() else {
            self.without_evidence = self.without_evidence.saturating_add(1);
            return;
        };
        let deadline = *last + self.offline_after;
        let (rightly, falsely): (Vec<_>, Vec<_>) =
            timeline.offline().partition(|change| change.at >= deadline - TOLERANCE && change.decided_at >= deadline);
        self.falsely_offline = self.falsely_offline.saturating_add(falsely.len());
        let Some(decided_at) = rightly.iter().map(|change| change.decided_at).min() else {
            self.missed = self.missed.saturating_add(1);
            return;
        };
        let latest = deadline.max(self.recovered_at + self.offline_after) + NOTICED_WITHIN;
        self.noticed_late = self.noticed_late.saturating_add(usize::from(decided_at > latest));
        self.noticed_after.push((decided_at - self.recovered_at).to_std().unwrap_or_default());
    }

    /// Whether survivors could not be heard for longer than they may be silent: otherwise an outage in which no device
    /// could be heard has shown nothing.
    pub fn is_conclusive(&self) -> bool {
        TimeDelta::from_std(self.longest_gap).is_ok_and(|gap| gap > self.offline_after)
    }

    /// The promises that were not kept, for the user.
    pub fn violations(&self) -> Vec<String> {
        let promises = [
            (self.survivors == 0 || self.failed == 0, "no device survived it, or none failed in it".to_owned()),
            (
                self.without_evidence > 0,
                format!("{} devices got no 2xx before the outage or after it", self.without_evidence),
            ),
            (self.falsely_offline > 0, format!("{} times called offline falsely", self.falsely_offline)),
            (self.missed > 0, format!("{} failed devices not called offline", self.missed)),
            (self.noticed_late > 0, format!("{} failed devices called offline too late", self.noticed_late)),
        ];
        promises.into_iter().filter_map(|(violated, text)| violated.then_some(text)).collect()
    }

    /// In one line.
    pub fn summary(&self) -> String {
        let most = self.noticed_after.iter().max().copied().unwrap_or_default();
        format!(
            "presence: {} devices survived (not heard for up to {:.1} s), {} times called offline falsely; {} of {} that failed were noticed, at most {:.1} s after the recovery (their limit: {} s)",
            self.survivors,
            self.longest_gap.as_secs_f64(),
            self.falsely_offline,
            self.noticed_after.len(),
            self.failed,
            most.as_secs_f64(),
            self.offline_after.num_seconds(),
        )
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::super::send_log::SendLog;
    use super::super::timeline::{Change, Timeline, Uptime};
    use super::OutageVerdict;

    const RECOVERED: i64 = 100;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn log(seconds: &[i64]) -> SendLog {
        let accepted: Vec<_> = seconds.iter().map(|second| at(*second)).collect();
        SendLog { answered_at: accepted.clone(), accepted, ..SendLog::default() }
    }

    /// Called offline at these instants, each decided so many seconds later.
    fn timeline(offline: &[(i64, i64)]) -> Timeline {
        let change = |(second, later): &(i64, i64)| Change {
            at: at(*second),
            status: "offline".into(),
            decided_at: at(*second) + TimeDelta::seconds(*later),
        };
        Timeline { end: at(200), uptime: Uptime::default(), changes: offline.iter().map(change).collect() }
    }

    /// One that survived, and one that failed; the limit is 15 s.
    fn with_failed(accepted: &[i64], offline: &[(i64, i64)]) -> OutageVerdict {
        let mut verdict = OutageVerdict::new(at(RECOVERED), TimeDelta::seconds(15));
        verdict.add_survivor(&log(&[10, 101]), &timeline(&[]));
        verdict.add_failed(&log(accepted), &timeline(offline));
        verdict
    }

    fn with_survivor(accepted: &[i64], offline: &[(i64, i64)]) -> OutageVerdict {
        let mut verdict = with_failed(&[10], &[(115, 1)]);
        verdict.add_survivor(&log(accepted), &timeline(offline));
        verdict
    }

    #[test]
    fn a_failed_device_is_noticed_within_its_timeout_and_two_seconds_after_the_recovery() {
        let noticed = with_failed(&[5, 10], &[(115, 2)]);
        assert_eq!((noticed.violations().len(), noticed.noticed_after[0].as_secs()), (0, 17));
        assert_eq!(with_failed(&[5, 10], &[(115, 3)]).noticed_late, 1);
        assert_eq!(with_failed(&[5, 10], &[]).missed, 1);
        assert_eq!(with_failed(&[5, 10], &[]).violations().len(), 1);
    }

    #[test]
    fn a_device_that_was_accepted_later_has_its_own_deadline() {
        assert!(with_failed(&[5, 99], &[(114, 3)]).violations().is_empty());
        assert!(with_failed(&[5, 104], &[(119, 2)]).violations().is_empty());
        assert_eq!(with_failed(&[5, 104], &[(119, 3)]).noticed_late, 1);
    }

    #[test]
    fn no_device_is_called_offline_before_its_time_is_over_nor_while_it_sends() {
        let early = with_failed(&[5, 10], &[(24, 80)]);
        assert_eq!((early.falsely_offline, early.missed), (1, 1));
        let wrong = with_survivor(&[10, 101], &[(25, 80)]);
        assert_eq!(wrong.falsely_offline, 1);
        assert_eq!(wrong.violations(), ["1 times called offline falsely"]);
        assert!(with_survivor(&[10, 101], &[]).violations().is_empty());
    }

    #[test]
    fn an_outage_that_is_shorter_than_the_timeout_shows_nothing() {
        assert!(with_survivor(&[10, 101], &[]).is_conclusive());
        let mut short = OutageVerdict::new(at(RECOVERED), TimeDelta::seconds(15));
        short.add_survivor(&log(&[86, 101]), &timeline(&[]));
        assert!(!short.is_conclusive());
    }

    #[test]
    fn evidence_is_a_heartbeat_accepted_before_and_after() {
        for accepted in [&[10][..], &[101], &[]] {
            assert_eq!(with_survivor(accepted, &[]).without_evidence, 1, "{accepted:?}");
        }
        assert_eq!(with_failed(&[], &[]).violations().len(), 1);
        assert_eq!(OutageVerdict::new(at(RECOVERED), TimeDelta::seconds(15)).violations().len(), 1);
    }
}
