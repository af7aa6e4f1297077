//! What was promised to those who live through an outage, and of those who die in it.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use super::diary::Diary;
use super::timeline::Timeline;
use super::verdict::SAME;

/// How late a silence may be noticed.
pub const NOTICED_WITHIN: TimeDelta = TimeDelta::seconds(2);

/// What came of it.
#[derive(Debug)]
pub struct OutageVerdict {
    recovered_at: DateTime<Utc>,
    offline_after: TimeDelta,
    /// Devices that lived through it.
    pub living: usize,
    /// Devices that died in it.
    pub dead: usize,
    /// Times that a device was called offline while it lived, or before its time was over.
    pub falsely_offline: usize,
    /// Dead devices that were never called offline.
    pub never_found: usize,
    /// Dead devices that were called offline later than promised.
    pub found_late: usize,
    /// Devices of which nothing was accepted that would make them witnesses: before their death, or after the recovery.
    pub unheard: usize,
    /// How long after the recovery each dead device was called offline; zero for before.
    pub found_after: Vec<Duration>,
    /// The longest time between two answers to a device that lived.
    pub longest_unheard: Duration,
}

impl OutageVerdict {
    /// Of nobody yet.
    #[must_use]
    pub fn new(recovered_at: DateTime<Utc>, offline_after: TimeDelta) -> Self {
        Self {
            recovered_at,
            offline_after,
            living: 0,
            dead: 0,
            falsely_offline: 0,
            never_found: 0,
            found_late: 0,
            unheard: 0,
            found_after: Vec::new(),
            longest_unheard: Duration::ZERO,
        }
    }

    /// Adds a device that lived: it was never offline.
    pub fn add_living(&mut self, diary: &Diary, timeline: &Timeline) {
        self.living = self.living.saturating_add(1);
        self.falsely_offline = self.falsely_offline.saturating_add(timeline.offline().count());
        self.longest_unheard = self.longest_unheard.max(diary.longest_unheard());
        let outlived = diary.answered.first().is_some_and(|first| *first < self.recovered_at)
            && diary.answered.last().is_some_and(|last| *last >= self.recovered_at);
        self.unheard = self.unheard.saturating_add(usize::from(!outlived));
    }

    /// Adds a device that died: it was called offline, not before its time was over, and in time.
    pub fn add_dead(&mut self, diary: &Diary, timeline: &Timeline) {
        self.dead = self.dead.saturating_add(1);
        let Some(last) = diary.accepted.last() else {
            self.unheard = self.unheard.saturating_add(1);
            return;
        };
        let deadline = *last + self.offline_after;
        let (rightly, falsely): (Vec<_>, Vec<_>) =
            timeline.offline().partition(|change| change.at >= deadline - SAME && change.decided_at >= deadline);
        self.falsely_offline = self.falsely_offline.saturating_add(falsely.len());
        let Some(decided_at) = rightly.iter().map(|change| change.decided_at).min() else {
            self.never_found = self.never_found.saturating_add(1);
            return;
        };
        let latest = deadline.max(self.recovered_at + self.offline_after) + NOTICED_WITHIN;
        self.found_late = self.found_late.saturating_add(usize::from(decided_at > latest));
        self.found_after.push((decided_at - self.recovered_at).to_std().unwrap_or_default());
    }

    /// Whether devices that lived were unheard for longer than they may be silent: otherwise an outage in which nobody
    /// could be heard has shown nothing.
    #[must_use]
    pub fn was_put_to_the_test(&self) -> bool {
        TimeDelta::from_std(self.longest_unheard).is_ok_and(|unheard| unheard > self.offline_after)
    }

    /// The promises that were not kept, for people.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let promises = [
            (self.living == 0 || self.dead == 0, "nobody lived through it, or nobody died in it".to_owned()),
            (self.unheard > 0, format!("{} devices were not heard when they should have been", self.unheard)),
            (self.falsely_offline > 0, format!("{} times called offline falsely", self.falsely_offline)),
            (self.never_found > 0, format!("{} dead devices not called offline", self.never_found)),
            (self.found_late > 0, format!("{} dead devices called offline too late", self.found_late)),
        ];
        promises.into_iter().filter_map(|(broken, complaint)| broken.then_some(complaint)).collect()
    }

    /// In one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let most = self.found_after.iter().max().copied().unwrap_or_default();
        format!(
            "presence: {} devices lived (unheard for up to {:.1} s), {} times called offline falsely; {} of {} that died were found, at most {:.1} s after the recovery (their time: {} s)",
            self.living,
            self.longest_unheard.as_secs_f64(),
            self.falsely_offline,
            self.found_after.len(),
            self.dead,
            most.as_secs_f64(),
            self.offline_after.num_seconds(),
        )
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};

    use super::super::diary::Diary;
    use super::super::timeline::{Change, Timeline, Uptime};
    use super::OutageVerdict;

    const RECOVERED: i64 = 100;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn diary(seconds: &[i64]) -> Diary {
        let accepted: Vec<_> = seconds.iter().map(|second| at(*second)).collect();
        Diary { answered: accepted.clone(), accepted, ..Diary::default() }
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

    /// One that lived well, and one that died; the limit is 15 s.
    fn with_dead(accepted: &[i64], offline: &[(i64, i64)]) -> OutageVerdict {
        let mut verdict = OutageVerdict::new(at(RECOVERED), TimeDelta::seconds(15));
        verdict.add_living(&diary(&[10, 101]), &timeline(&[]));
        verdict.add_dead(&diary(accepted), &timeline(offline));
        verdict
    }

    fn with_living(accepted: &[i64], offline: &[(i64, i64)]) -> OutageVerdict {
        let mut verdict = with_dead(&[10], &[(115, 1)]);
        verdict.add_living(&diary(accepted), &timeline(offline));
        verdict
    }

    #[test]
    fn who_died_is_found_within_its_timeout_and_two_seconds_after_the_recovery() {
        let found = with_dead(&[5, 10], &[(115, 2)]);
        assert_eq!((found.complaints().len(), found.found_after[0].as_secs()), (0, 17));
        assert_eq!(with_dead(&[5, 10], &[(115, 3)]).found_late, 1);
        assert_eq!(with_dead(&[5, 10], &[]).never_found, 1);
        assert_eq!(with_dead(&[5, 10], &[]).complaints().len(), 1);
    }

    #[test]
    fn who_was_heard_later_than_that_has_its_own_time() {
        assert!(with_dead(&[5, 99], &[(114, 3)]).complaints().is_empty());
        assert!(with_dead(&[5, 104], &[(119, 2)]).complaints().is_empty());
        assert_eq!(with_dead(&[5, 104], &[(119, 3)]).found_late, 1);
    }

    #[test]
    fn nobody_is_called_offline_before_its_time_is_over_nor_while_it_lives() {
        let early = with_dead(&[5, 10], &[(24, 80)]);
        assert_eq!((early.falsely_offline, early.never_found), (1, 1));
        let blamed = with_living(&[10, 101], &[(25, 80)]);
        assert_eq!(blamed.falsely_offline, 1);
        assert_eq!(blamed.complaints(), ["1 times called offline falsely"]);
        assert!(with_living(&[10, 101], &[]).complaints().is_empty());
    }

    #[test]
    fn an_outage_that_is_shorter_than_a_device_s_time_shows_nothing() {
        assert!(with_living(&[10, 101], &[]).was_put_to_the_test());
        let mut short = OutageVerdict::new(at(RECOVERED), TimeDelta::seconds(15));
        short.add_living(&diary(&[86, 101]), &timeline(&[]));
        assert!(!short.was_put_to_the_test());
    }

    #[test]
    fn a_witness_was_heard_before_and_after() {
        for accepted in [&[10][..], &[101], &[]] {
            assert_eq!(with_living(accepted, &[]).unheard, 1, "{accepted:?}");
        }
        assert_eq!(with_dead(&[], &[]).complaints().len(), 1);
        assert_eq!(OutageVerdict::new(at(RECOVERED), TimeDelta::seconds(15)).complaints().len(), 1);
    }
}
