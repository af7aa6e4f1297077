//! What devices know of themselves, compared with what Pulso says of them.

use std::time::Duration;

use chrono::TimeDelta;

use super::diary::Diary;
use super::timeline::Timeline;

/// Between a silence and the change that tells of it: both are made of the same timestamp.
pub(super) const SAME: TimeDelta = TimeDelta::milliseconds(1);
/// A device that is back counts as there at once: so soon after its 2xx, at the 99th percentile.
const BACK_WITHIN: Duration = Duration::from_secs(1);

/// What came of devices that come and go.
#[derive(Debug)]
pub struct Verdict {
    /// Devices.
    pub devices: usize,
    /// Of those, such as come and go.
    pub flapping: usize,
    /// How late a silence may be noticed, at the 99th percentile, ms.
    pub limit_ms: u32,
    /// Heartbeats that got a 2xx.
    pub accepted: usize,
    /// Heartbeats that got none.
    pub refused: usize,
    /// Silences that were not noticed.
    pub missed: usize,
    /// Times that a device was called offline that was not.
    pub falsely_offline: usize,
    /// How late each silence was noticed.
    pub late: Vec<Duration>,
    /// How long it took until a device that was back counted as there.
    pub back: Vec<Duration>,
    /// Time that devices were online by their timelines, s.
    pub online_told_s: f64,
    /// The same by their diaries, s.
    pub online_own_s: f64,
    /// How far the two are apart for one device, at most, s.
    pub online_apart_s: f64,
    /// All time that the timelines tell of, s.
    known_s: f64,
}

impl Verdict {
    /// Of nothing yet.
    #[must_use]
    pub fn new(devices: usize, flapping: usize, limit_ms: u32) -> Self {
        Self {
            devices,
            flapping,
            limit_ms,
            accepted: 0,
            refused: 0,
            missed: 0,
            falsely_offline: 0,
            late: Vec::new(),
            back: Vec::new(),
            online_told_s: 0.0,
            online_own_s: 0.0,
            online_apart_s: 0.0,
            known_s: 0.0,
        }
    }

    /// Adds one device. Only what happened before its last heartbeat counts: then it stopped for good.
    pub fn compare(&mut self, diary: &Diary, timeline: &Timeline, offline_after: TimeDelta) {
        self.accepted = self.accepted.saturating_add(diary.accepted.len());
        self.refused = self.refused.saturating_add(diary.refused());
        self.back.extend(&diary.back_after);
        self.compare_uptime(diary, timeline, offline_after);
        let Some(last) = diary.accepted.last() else { return };
        let mut told: Vec<_> = timeline.offline().filter(|change| change.at < *last).collect();
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

    fn compare_uptime(&mut self, diary: &Diary, timeline: &Timeline, offline_after: TimeDelta) {
        let (told, own) = (timeline.uptime.online_s, diary.online_s(offline_after, timeline.end));
        self.online_told_s += told;
        self.online_own_s += own;
        self.online_apart_s = self.online_apart_s.max((told - own).abs());
        self.known_s += timeline.uptime.online_s + timeline.uptime.offline_s;
    }

    /// Whether every silence was noticed in time, and nobody was blamed who was there.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.complaints().is_empty()
    }

    /// The promises that were not kept, for people. Where nothing was measured, nothing is kept.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let late = percentile(&self.late, 99).as_millis();
        let back = percentile(&self.back, 99);
        let flapped = self.flapping > 0;
        let promises = [
            (self.accepted == 0, "no heartbeat was accepted".to_owned()),
            (flapped && self.late.is_empty(), "devices came and went, and no silence was noticed at all".to_owned()),
            (flapped && self.back.is_empty(), "devices came and went, and none was seen to be back".to_owned()),
            (self.missed > 0, format!("{} silences were not noticed", self.missed)),
            (self.falsely_offline > 0, format!("{} times called offline falsely", self.falsely_offline)),
            (late > self.limit_ms.into(), format!("noticed {late} ms late at the 99th percentile")),
            (back > BACK_WITHIN, format!("online again only after {} ms at the 99th percentile", back.as_millis())),
        ];
        promises.into_iter().filter_map(|(broken, complaint)| broken.then_some(complaint)).collect()
    }

    /// What was measured, a line each.
    #[must_use]
    pub fn figures(&self) -> Vec<String> {
        let silences = self.late.len().saturating_add(self.missed);
        let percent = |online_s: f64| if self.known_s > 0.0 { 100.0 * online_s / self.known_s } else { 0.0 };
        vec![
            format!("devices          {}, {} of them come and go", self.devices, self.flapping),
            format!("heartbeats       {} accepted, {} not", self.accepted, self.refused),
            format!("silences         {silences}, noticed {}, missed {}", self.late.len(), self.missed),
            format!("falsely offline  {}", self.falsely_offline),
            format!("noticed after    {} (limit: p99 {} ms)", spread(&self.late), self.limit_ms),
            format!("back online in   {} ({} times)", spread(&self.back), self.back.len()),
            format!(
                "uptime           {:.2} % by the timelines, {:.2} % by the diaries, a device's at most {:.1} s apart",
                percent(self.online_told_s),
                percent(self.online_own_s),
                self.online_apart_s,
            ),
        ]
    }

    /// What the user reads.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = self.figures();
        lines.extend(self.complaints().into_iter().map(|complaint| format!("NOT KEPT         {complaint}")));
        lines.push(if self.holds() { "the promise holds" } else { "the promise does NOT hold" }.to_owned());
        lines
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

    use super::super::diary::Diary;
    use super::super::timeline::{Change, Timeline, Uptime};
    use super::{Verdict, percentile};

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn diary(seconds: &[i64]) -> Diary {
        let accepted: Vec<_> = seconds.iter().map(|second| at(*second)).collect();
        Diary { sent: accepted.clone(), accepted, back_after: vec![Duration::from_millis(5)], ..Diary::default() }
    }

    fn offline(seconds: &[i64], late_ms: i64) -> Timeline {
        let change = |second: &i64| Change {
            at: at(*second),
            status: "offline".into(),
            decided_at: at(*second) + TimeDelta::milliseconds(late_ms),
        };
        let uptime = Uptime { online_s: 25.0, offline_s: 20.0 };
        Timeline { end: at(45), uptime, changes: seconds.iter().map(change).collect() }
    }

    fn verdict(accepted: &[i64], told: &[i64], late_ms: i64) -> Verdict {
        let mut verdict = Verdict::new(1, 1, 2_000);
        verdict.compare(&diary(accepted), &offline(told, late_ms), TimeDelta::seconds(15));
        verdict
    }

    #[test]
    fn a_silence_that_was_told_of_holds_and_one_that_was_not_does_not() {
        let told = verdict(&[0, 5, 40, 45], &[20], 700);
        assert!(told.holds(), "{:?}", told.complaints());
        assert_eq!((told.late.as_slice(), told.accepted), (&[Duration::from_millis(700)][..], 4));
        assert_eq!(verdict(&[0, 5, 40, 45], &[], 700).missed, 1);
    }

    #[test]
    fn one_that_was_noticed_too_late_does_not_hold() {
        assert!(verdict(&[0, 5, 40, 45], &[20], 2_000).holds());
        assert_eq!(
            verdict(&[0, 5, 40, 45], &[20], 2_001).complaints(),
            ["noticed 2001 ms late at the 99th percentile"]
        );
    }

    #[test]
    fn who_was_there_is_falsely_offline_but_not_after_its_last_heartbeat() {
        let blamed = verdict(&[0, 5, 40, 45], &[20, 43], 700);
        assert_eq!((blamed.falsely_offline, blamed.holds()), (1, false));
        assert!(verdict(&[0, 5, 40, 45], &[20, 60], 700).holds());
    }

    #[test]
    fn where_nothing_was_noticed_nothing_was_measured() {
        let silent = verdict(&[0, 5, 10], &[], 0);
        assert_eq!(silent.complaints(), ["devices came and went, and no silence was noticed at all"]);
        let mut steady = Verdict::new(1, 0, 2_000);
        assert_eq!(steady.complaints(), ["no heartbeat was accepted"]);
        steady.compare(&diary(&[0, 5, 10]), &offline(&[], 0), TimeDelta::seconds(15));
        assert!(steady.holds(), "nobody was to come and go: {:?}", steady.complaints());
    }

    #[test]
    fn a_device_that_is_back_is_online_at_once() {
        let mut slow = verdict(&[0, 5, 40, 45], &[20], 700);
        slow.back = vec![Duration::from_millis(1_001)];
        assert_eq!(slow.complaints(), ["online again only after 1001 ms at the 99th percentile"]);
        slow.back.clear();
        assert_eq!(slow.complaints(), ["devices came and went, and none was seen to be back"]);
    }

    #[test]
    fn uptime_is_compared_with_the_diary() {
        let told = verdict(&[0, 5, 40, 45], &[20], 700);
        assert!((told.online_own_s - 25.0).abs() < 1e-9 && told.online_apart_s < 1e-9, "{told:?}");
    }

    #[test]
    fn a_percentile_is_a_time_that_was_measured() {
        let times: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 99), Duration::from_millis(198));
        assert_eq!(percentile(&times, 100), Duration::from_millis(200));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
