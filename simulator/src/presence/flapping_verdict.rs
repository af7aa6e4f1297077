//! The logs of devices that flap, compared with their timelines.

use std::time::Duration;

use chrono::TimeDelta;

use super::send_log::SendLog;
use super::timeline::Timeline;

/// Tolerance between a deadline and the change to offline: both are computed from the same timestamp.
pub(super) const TOLERANCE: TimeDelta = TimeDelta::milliseconds(1);
/// How soon after its 2xx a device that is back has to be online, at the 99th percentile.
const ONLINE_WITHIN: Duration = Duration::from_secs(1);

/// How well the flapping devices were noticed.
#[derive(Debug)]
pub struct FlappingVerdict {
    /// All devices.
    pub devices: usize,
    /// Of those, the ones that flap.
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
    pub noticed_after: Vec<Duration>,
    /// How long it took until a device that was back was online.
    pub online_after: Vec<Duration>,
    /// Time that devices were online by their timelines, s.
    pub online_by_timelines_s: f64,
    /// The same by their logs, s.
    pub online_by_logs_s: f64,
    /// The largest difference of the two for one device, s.
    pub largest_difference_s: f64,
    /// All time that the timelines cover, s.
    covered_s: f64,
}

impl FlappingVerdict {
    /// Of no device yet.
    pub fn new(devices: usize, flapping: usize, limit_ms: u32) -> Self {
        Self {
            devices,
            flapping,
            limit_ms,
            accepted: 0,
            refused: 0,
            missed: 0,
            falsely_offline: 0,
            noticed_after: Vec::new(),
            online_after: Vec::new(),
            online_by_timelines_s: 0.0,
            online_by_logs_s: 0.0,
            largest_difference_s: 0.0,
            covered_s: 0.0,
        }
    }

    /// Adds one device. Only what happened before its last heartbeat counts: then it stopped for good.
    pub fn compare(&mut self, log: &SendLog, timeline: &Timeline, offline_after: TimeDelta) {
        self.accepted = self.accepted.saturating_add(log.accepted.len());
        self.refused = self.refused.saturating_add(log.refused());
        self.online_after.extend(&log.online_after);
        self.compare_uptime(log, timeline, offline_after);
        let Some(last) = log.accepted.last() else { return };
        let mut reported: Vec<_> = timeline.offline().filter(|change| change.at < *last).collect();
        let deadlines = log.accepted.windows(2).filter_map(|pair| match pair {
            [before, after] if *after - *before > offline_after => Some(*before + offline_after),
            _ => None,
        });
        for deadline in deadlines {
            let found = reported.iter().position(|change| (change.at - deadline).abs() <= TOLERANCE);
            match found.map(|found| reported.swap_remove(found)) {
                Some(change) => self.noticed_after.push((change.decided_at - deadline).to_std().unwrap_or_default()),
                None => self.missed = self.missed.saturating_add(1),
            }
        }
        self.falsely_offline = self.falsely_offline.saturating_add(reported.len());
    }

    fn compare_uptime(&mut self, log: &SendLog, timeline: &Timeline, offline_after: TimeDelta) {
        let (by_timeline, by_log) = (timeline.uptime.online_s, log.online_s(offline_after, timeline.end));
        self.online_by_timelines_s += by_timeline;
        self.online_by_logs_s += by_log;
        self.largest_difference_s = self.largest_difference_s.max((by_timeline - by_log).abs());
        self.covered_s += timeline.uptime.online_s + timeline.uptime.offline_s;
    }

    /// Whether every silence was noticed in time, and no device was called offline that was online.
    pub fn holds(&self) -> bool {
        self.violations().is_empty()
    }

    /// The promises that were not kept, for the user. Where nothing was measured, none was kept.
    pub fn violations(&self) -> Vec<String> {
        let noticed_ms = percentile(&self.noticed_after, 99).as_millis();
        let online_after = percentile(&self.online_after, 99);
        let flapped = self.flapping > 0;
        let promises = [
            (self.accepted == 0, "no heartbeat was accepted".to_owned()),
            (flapped && self.noticed_after.is_empty(), "devices flapped, and no silence was noticed at all".to_owned()),
            (flapped && self.online_after.is_empty(), "devices flapped, and none was seen to be back".to_owned()),
            (self.missed > 0, format!("{} silences were not noticed", self.missed)),
            (self.falsely_offline > 0, format!("{} times called offline falsely", self.falsely_offline)),
            (noticed_ms > self.limit_ms.into(), format!("noticed {noticed_ms} ms late at the 99th percentile")),
            (
                online_after > ONLINE_WITHIN,
                format!("online again only after {} ms at the 99th percentile", online_after.as_millis()),
            ),
        ];
        promises.into_iter().filter_map(|(violated, text)| violated.then_some(text)).collect()
    }

    /// What was measured, a line each.
    pub fn figures(&self) -> Vec<String> {
        let silences = self.noticed_after.len().saturating_add(self.missed);
        let percent = |online_s: f64| if self.covered_s > 0.0 { 100.0 * online_s / self.covered_s } else { 0.0 };
        vec![
            format!("devices          {}, {} of them flap", self.devices, self.flapping),
            format!("heartbeats       {} accepted, {} not", self.accepted, self.refused),
            format!("silences         {silences}, noticed {}, missed {}", self.noticed_after.len(), self.missed),
            format!("falsely offline  {}", self.falsely_offline),
            format!("noticed after    {} (limit: p99 {} ms)", spread(&self.noticed_after), self.limit_ms),
            format!("back online in   {} ({} times)", spread(&self.online_after), self.online_after.len()),
            format!(
                "uptime           {:.2} % by the timelines, {:.2} % by the devices' logs, one device's at most {:.1} s apart",
                percent(self.online_by_timelines_s),
                percent(self.online_by_logs_s),
                self.largest_difference_s,
            ),
        ]
    }

    /// What the user reads.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = self.figures();
        lines.extend(self.violations().into_iter().map(|violation| format!("NOT KEPT         {violation}")));
        lines.push(if self.holds() { "the promise holds" } else { "the promise does NOT hold" }.to_owned());
        lines
    }
}

fn spread(times: &[Duration]) -> String {
    let ms = |percent| percentile(times, percent).as_millis();
    format!("p50 {} ms, p99 {} ms, most {} ms", ms(50), ms(99), ms(100))
}

/// The smallest time that so many percent do not exceed; zero where there are none.
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

    use super::super::send_log::SendLog;
    use super::super::timeline::{Change, Timeline, Uptime};
    use super::{FlappingVerdict, percentile};

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(second, 0).unwrap()
    }

    fn log(seconds: &[i64]) -> SendLog {
        let accepted: Vec<_> = seconds.iter().map(|second| at(*second)).collect();
        SendLog { sent: accepted.clone(), accepted, online_after: vec![Duration::from_millis(5)], ..SendLog::default() }
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

    fn verdict(accepted: &[i64], reported: &[i64], late_ms: i64) -> FlappingVerdict {
        let mut verdict = FlappingVerdict::new(1, 1, 2_000);
        verdict.compare(&log(accepted), &offline(reported, late_ms), TimeDelta::seconds(15));
        verdict
    }

    #[test]
    fn a_silence_that_was_noticed_holds_and_one_that_was_not_does_not() {
        let noticed = verdict(&[0, 5, 40, 45], &[20], 700);
        assert!(noticed.holds(), "{:?}", noticed.violations());
        assert_eq!((noticed.noticed_after.as_slice(), noticed.accepted), (&[Duration::from_millis(700)][..], 4));
        assert_eq!(verdict(&[0, 5, 40, 45], &[], 700).missed, 1);
    }

    #[test]
    fn one_that_was_noticed_too_late_does_not_hold() {
        assert!(verdict(&[0, 5, 40, 45], &[20], 2_000).holds());
        assert_eq!(
            verdict(&[0, 5, 40, 45], &[20], 2_001).violations(),
            ["noticed 2001 ms late at the 99th percentile"]
        );
    }

    #[test]
    fn a_device_that_sent_is_falsely_offline_but_not_after_its_last_heartbeat() {
        let wrong = verdict(&[0, 5, 40, 45], &[20, 43], 700);
        assert_eq!((wrong.falsely_offline, wrong.holds()), (1, false));
        assert!(verdict(&[0, 5, 40, 45], &[20, 60], 700).holds());
    }

    #[test]
    fn where_nothing_was_noticed_nothing_was_measured() {
        let silent = verdict(&[0, 5, 10], &[], 0);
        assert_eq!(silent.violations(), ["devices flapped, and no silence was noticed at all"]);
        let mut steady = FlappingVerdict::new(1, 0, 2_000);
        assert_eq!(steady.violations(), ["no heartbeat was accepted"]);
        steady.compare(&log(&[0, 5, 10]), &offline(&[], 0), TimeDelta::seconds(15));
        assert!(steady.holds(), "no device was to flap: {:?}", steady.violations());
    }

    #[test]
    fn a_device_that_is_back_is_online_at_once() {
        let mut slow = verdict(&[0, 5, 40, 45], &[20], 700);
        slow.online_after = vec![Duration::from_millis(1_001)];
        assert_eq!(slow.violations(), ["online again only after 1001 ms at the 99th percentile"]);
        slow.online_after.clear();
        assert_eq!(slow.violations(), ["devices flapped, and none was seen to be back"]);
    }

    #[test]
    fn uptime_is_compared_with_the_log() {
        let noticed = verdict(&[0, 5, 40, 45], &[20], 700);
        assert!((noticed.online_by_logs_s - 25.0).abs() < 1e-9 && noticed.largest_difference_s < 1e-9, "{noticed:?}");
    }

    #[test]
    fn a_percentile_is_a_time_that_was_measured() {
        let times: Vec<_> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!(percentile(&times, 99), Duration::from_millis(198));
        assert_eq!(percentile(&times, 100), Duration::from_millis(200));
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }
}
