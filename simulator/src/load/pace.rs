//! When the next request begins: in a closed loop, or at a fixed rate.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// tokio's timers have a resolution of 1 ms and may fire one step late.
const TIMER_ERROR: Duration = Duration::from_millis(2);

/// When requests begin.
#[derive(Debug)]
pub(super) enum Pace {
    /// Each connection sends as soon as it has the last response.
    Closed,
    /// At fixed times, on whichever connection is free.
    Open {
        /// Between two requests.
        interval: Duration,
        /// How many of these times have been given out.
        taken: AtomicU32,
    },
}

impl Pace {
    /// `per_second` requests, or as many as possible.
    pub(super) fn new(per_second: Option<f64>) -> Self {
        match per_second {
            None => Self::Closed,
            Some(rate) => {
                Self::Open { interval: Duration::from_secs_f64(1.0 / rate.max(0.001)), taken: AtomicU32::new(0) }
            }
        }
    }

    /// Waits for this connection's next request; the time from which its latency counts, or `None` past the end.
    ///
    /// A request that no connection was free for counts from when it should have been sent: otherwise a slow server
    /// would get fewer requests and look better (coordinated omission). The lateness of a waiting connection's own timer is
    /// not the server's and does not count, up to the timer's known error.
    pub(super) async fn next(&self, start: Instant, end: Instant) -> Option<Instant> {
        let Self::Open { interval, taken } = self else {
            let now = Instant::now();
            return (now < end).then_some(now);
        };
        let number = taken.fetch_add(1, Ordering::Relaxed);
        let intended = start.checked_add(interval.saturating_mul(number)).filter(|intended| *intended < end)?;
        if intended <= Instant::now() {
            return Some(intended);
        }
        tokio::time::sleep_until(intended).await;
        Some(Instant::now().min(intended + TIMER_ERROR))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Pace;

    #[tokio::test]
    async fn a_fixed_rate_gives_out_its_times_one_by_one_until_the_end() {
        let pace = Pace::new(Some(1_000.0));
        let start = Instant::now();
        let end = start + Duration::from_millis(20);
        let mut given = 0;
        while pace.next(start, end).await.is_some() {
            given += 1;
        }
        assert_eq!(given, 20);
        assert!(start.elapsed() >= Duration::from_millis(19));
    }

    #[tokio::test]
    async fn connections_share_the_times_of_a_fixed_rate() {
        let pace = Pace::new(Some(500.0));
        let start = Instant::now();
        let end = start + Duration::from_millis(40);
        let count = async || {
            let mut given = 0;
            while pace.next(start, end).await.is_some() {
                given += 1;
            }
            given
        };
        let (first, second) = tokio::join!(count(), count());
        assert_eq!(first + second, 20);
        assert!(first > 0 && second > 0, "{first} and {second}");
    }

    #[tokio::test]
    async fn what_is_late_counts_from_when_it_should_have_been_sent() {
        let pace = Pace::new(Some(10.0));
        let start = Instant::now() - Duration::from_secs(1);
        let end = start + Duration::from_secs(60);
        assert_eq!(pace.next(start, end).await, Some(start));
        assert_eq!(pace.next(start, end).await, Some(start + Duration::from_millis(100)));
    }

    #[tokio::test]
    async fn the_closed_loop_never_waits() {
        let pace = Pace::new(None);
        let now = Instant::now();
        assert!(pace.next(now, now + Duration::from_secs(60)).await.is_some());
        assert!(pace.next(now, now).await.is_none());
    }
}
