//! What a device knows of itself.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::clock::Clock;

/// What a device has sent, and what came of it.
#[derive(Debug, Default)]
pub struct Diary {
    /// The timestamps of all heartbeats that it tried to send, in order.
    pub sent: Vec<DateTime<Utc>>,
    /// The timestamps of those that got a 2xx, in order.
    pub accepted: Vec<DateTime<Utc>>,
    /// When each 2xx came.
    pub answered: Vec<DateTime<Utc>>,
    /// From the 2xx of its first heartbeat after a silence until it was said to be online.
    pub back_after: Vec<Duration>,
}

impl Diary {
    /// A heartbeat of this instant is about to be sent.
    pub fn send_now(&mut self) -> DateTime<Utc> {
        let at = Clock::system().now();
        self.sent.push(at);
        at
    }

    /// These were accepted just now.
    pub fn accept(&mut self, timestamps: Vec<DateTime<Utc>>) {
        self.accepted.extend(timestamps);
        self.answered.push(Clock::system().now());
    }

    /// Heartbeats that never got a 2xx.
    #[must_use]
    pub fn refused(&self) -> usize {
        self.sent.len().saturating_sub(self.accepted.len())
    }

    /// The longest time between one 2xx and the next.
    #[must_use]
    pub fn longest_unheard(&self) -> Duration {
        let gaps = self.answered.windows(2).filter_map(|pair| match pair {
            [before, after] => (*after - *before).to_std().ok(),
            _ => None,
        });
        gaps.max().unwrap_or_default()
    }

    /// How long it was there until `end`: after each heartbeat for as long as it may be silent, at most, s.
    #[must_use]
    pub fn online_s(&self, offline_after: TimeDelta, end: DateTime<Utc>) -> f64 {
        let next = self.accepted.iter().skip(1).chain([&end]);
        let stretches = self.accepted.iter().zip(next).map(|(at, next)| (*next - *at).min(offline_after));
        stretches.map(|stretch| stretch.max(TimeDelta::zero()).as_seconds_f64()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{DateTime, TimeDelta};

    use super::Diary;

    #[test]
    fn a_device_is_there_after_each_heartbeat_for_as_long_as_it_may_be_silent() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let diary = Diary { accepted: vec![at(0), at(5), at(50)], ..Diary::default() };
        assert!((diary.online_s(TimeDelta::seconds(15), at(52)) - (5.0 + 15.0 + 2.0)).abs() < 1e-9);
        assert!(Diary::default().online_s(TimeDelta::seconds(15), at(52)).abs() < 1e-9);
    }

    #[test]
    fn what_got_no_2xx_is_refused_and_the_longest_gap_between_answers_is_known() {
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        let diary = Diary {
            sent: vec![at(0), at(5), at(10)],
            accepted: vec![at(0), at(10)],
            answered: vec![at(1), at(13)],
            ..Diary::default()
        };
        assert_eq!((diary.refused(), diary.longest_unheard()), (1, Duration::from_secs(12)));
    }
}
