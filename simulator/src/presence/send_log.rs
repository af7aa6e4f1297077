//! What a device knows of its own heartbeats.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::clock::Clock;
use tokio::task::JoinSet;

use crate::failure::Failure;

/// The heartbeats that a device has sent, and what came of them.
#[derive(Debug, Default)]
pub struct SendLog {
    /// The timestamps of all heartbeats that it tried to send, in order.
    pub sent: Vec<DateTime<Utc>>,
    /// The timestamps of those that got a 2xx, in order.
    pub accepted: Vec<DateTime<Utc>>,
    /// When each 2xx came.
    pub answered_at: Vec<DateTime<Utc>>,
    /// From the 2xx of the first heartbeat after a silence until the device was said to be online.
    pub online_after: Vec<Duration>,
}

impl SendLog {
    /// Records a heartbeat that is about to be sent; its timestamp.
    pub fn record_sent(&mut self) -> DateTime<Utc> {
        let at = Clock::system().now();
        self.sent.push(at);
        at
    }

    /// Records a 2xx that has just come for these heartbeats.
    pub fn record_accepted(&mut self, timestamps: Vec<DateTime<Utc>>) {
        self.accepted.extend(timestamps);
        self.answered_at.push(Clock::system().now());
    }

    /// Heartbeats that never got a 2xx.
    pub fn refused(&self) -> usize {
        self.sent.len().saturating_sub(self.accepted.len())
    }

    /// The longest time between one 2xx and the next.
    pub fn longest_gap(&self) -> Duration {
        let gaps = self.answered_at.windows(2).filter_map(|pair| match pair {
            [before, after] => (*after - *before).to_std().ok(),
            _ => None,
        });
        gaps.max().unwrap_or_default()
    }

    /// How long the device was online until `end`, by the rule: for at most `offline_after` after each heartbeat, s.
    pub fn online_s(&self, offline_after: TimeDelta, end: DateTime<Utc>) -> f64 {
        let next = self.accepted.iter().skip(1).chain([&end]);
        let spans = self.accepted.iter().zip(next).map(|(at, next)| (*next - *at).min(offline_after));
        spans.map(|span| span.max(TimeDelta::zero()).as_seconds_f64()).sum()
    }
}

/// Waits until all devices have ended; their logs, in the order of their indices.
pub(super) async fn collect_in_order(mut devices: JoinSet<(usize, SendLog)>) -> Result<Vec<SendLog>, Failure> {
    let mut logs = Vec::with_capacity(devices.len());
    while let Some(device) = devices.join_next().await {
        logs.push(device?);
    }
    logs.sort_by_key(|(index, _)| *index);
    Ok(logs.into_iter().map(|(_, log)| log).collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{DateTime, TimeDelta};

    use super::SendLog;

    #[test]
    fn a_device_is_online_after_each_heartbeat_for_as_long_as_it_may_be_silent() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let log = SendLog { accepted: vec![at(0), at(5), at(50)], ..SendLog::default() };
        assert!((log.online_s(TimeDelta::seconds(15), at(52)) - (5.0 + 15.0 + 2.0)).abs() < 1e-9);
        assert!(SendLog::default().online_s(TimeDelta::seconds(15), at(52)).abs() < 1e-9);
    }

    #[test]
    fn what_got_no_2xx_is_refused_and_the_longest_gap_between_responses_is_known() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let log = SendLog {
            sent: vec![at(0), at(5), at(10)],
            accepted: vec![at(0), at(10)],
            answered_at: vec![at(1), at(13)],
            ..SendLog::default()
        };
        assert_eq!((log.refused(), log.longest_gap()), (1, Duration::from_secs(12)));
    }
}
