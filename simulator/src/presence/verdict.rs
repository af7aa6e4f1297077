//! What devices know of themselves, compared with what Pulso says of them.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::device::Diary;

/// Between a silence and the change that tells of it: both are made of the same timestamp.
const SAME: TimeDelta = TimeDelta::milliseconds(1);

/// What Pulso says of a device.
#[derive(Debug, Deserialize)]
pub struct Timeline {
    changes: Vec<Change>,
}

#[derive(Debug, Deserialize)]
struct Change {
    at: DateTime<Utc>,
    status: String,
    decided_at: DateTime<Utc>,
}

/// What came of it.
#[derive(Debug)]
pub struct Verdict {
    devices: usize,
    limit_ms: u32,
    missed: usize,
    falsely_offline: usize,
    /// How late each silence was noticed.
    late: Vec<Duration>,
    /// How long it took until a device that was back counted as there.
    back: Vec<Duration>,
}

impl Verdict {
    /// Of nothing yet.
    #[must_use]
    pub fn new(devices: usize, limit_ms: u32) -> Self {
        Self { devices, limit_ms, missed: 0, falsely_offline: 0, late: Vec::new(), back: Vec::new() }
    }

    /// Adds one device. Only what happened before its last heartbeat counts: then it stopped for good.
    pub fn compare(&mut self, diary: &Diary, timeline: &Timeline, offline_after: TimeDelta) {
        self.back.extend(&diary.back_after);
        let Some(last) = diary.accepted.last() else { return };
        let mut told: Vec<_> =
            timeline.changes.iter().filter(|change| change.status == "offline" && change.at < *last).collect();
        let deadlines = diary.accepted.windows(2).filter_map(|pair| match pair {
            [before, after] if *after - *before > offline_after => Some(*before + offline_after),
            _ => None,
        });
        for deadline in deadlines {
            let found = told.iter().position(|change| (change.at - deadline).abs() <= SAME);
            match found.map(|found| told.swap_remove(found)) {
                Some(change) => self.late.push((change.decided_at - deadline).to_std().unwrap_or_default()),
                None => self.missed = self.missed.saturating_add(1),
            }
        }
        self.falsely_offline = self.falsely_offline.saturating_add(told.len());
    }

    /// Whether every silence was noticed in time, and nobody was blamed who was there.
    #[must_use]
    pub fn holds(&self) -> bool {
        let in_time = percentile(&self.late, 99) <= Duration::from_millis(self.limit_ms.into());
        self.missed == 0 && self.falsely_offline == 0 && in_time
    }

    /// What the user reads.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let silences = self.late.len().saturating_add(self.missed);
        vec![
            format!("devices          {}", self.devices),
            format!("silences         {silences}, noticed {}, missed {}", self.late.len(), self.missed),
            format!("falsely offline  {}", self.falsely_offline),
            format!("noticed after    {} (limit: p99 {} ms)", spread(&self.late), self.limit_ms),
            format!("back online in   {} ({} times)", spread(&self.back), self.back.len()),
            if self.holds() { "the promise holds".to_owned() } else { "the promise does NOT hold".to_owned() },
        ]
    }
}

fn spread(times: &[Duration]) -> String {
    let ms = |percent| percentile(times, percent).as_millis();
    format!("p50 {} ms, p99 {} ms, most {} ms", ms(50), ms(99), ms(100))
}

/// The smallest that so many percent are not above; zero where there are none.
fn percentile(times: &[Duration], percent: usize) -> Duration {
    let mut sorted = times.to_vec();
    sorted.sort_unstable();
    let rank = sorted.len().saturating_mul(percent).div_ceil(100).saturating_sub(1);
    sorted.get(rank).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{DateTime, TimeDelta, Utc};

    use super::super::device::Diary;
    use super::{Change, Timeline, Verdict, percentile};

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn diary(seconds: &[i64]) -> Diary {
        Diary { accepted: seconds.iter().map(|second| at(*second)).collect(), back_after: Vec::new() }
    }

    fn offline(seconds: &[i64]) -> Timeline {
        let change = |second: &i64| Change {
            at: at(*second),
            status: "offline".into(),
            decided_at: at(*second) + TimeDelta::milliseconds(700),
        };
        Timeline { changes: seconds.iter().map(change).collect() }
    }

    fn verdict(accepted: &[i64], told: &[i64]) -> Verdict {
        let mut verdict = Verdict::new(1, 2_000);
        verdict.compare(&diary(accepted), &offline(told), TimeDelta::seconds(15));
        verdict
    }

    #[test]
    fn a_silence_that_was_told_of_holds_and_one_that_was_not_does_not() {
        let told = verdict(&[0, 5, 40, 45], &[20]);
        assert!(told.holds());
        assert_eq!(told.late, [Duration::from_millis(700)]);
        assert_eq!(verdict(&[0, 5, 40, 45], &[]).missed, 1);
    }

    #[test]
    fn who_was_there_is_falsely_offline_but_not_after_its_last_heartbeat() {
        let blamed = verdict(&[0, 5, 10], &[8]);
        assert_eq!((blamed.falsely_offline, blamed.holds()), (1, false));
        assert!(verdict(&[0, 5, 10], &[25]).holds());
    }

    #[test]
    fn a_percentile_is_a_time_that_was_measured() {
        let times: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 99), Duration::from_millis(198));
        assert_eq!(percentile(&times, 100), Duration::from_millis(200));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
