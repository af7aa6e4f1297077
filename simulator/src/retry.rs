//! How long to wait before a request is sent again.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::random::mix;

/// Half of the longest first delay: the jitter adds up to as much again.
const FIRST: Duration = Duration::from_millis(25);
/// Half of the longest delay without a `Retry-After`: a supervisor has an API back within 5 s.
const LONGEST: Duration = Duration::from_millis(1_500);
/// Longest delay, whatever `Retry-After` says: a simulator that sleeps for minutes looks dead.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(30);

/// Exponential backoff with jitter, so that a thousand devices that lost their server at the same moment do not all come
/// back at the same moment.
#[derive(Debug)]
pub struct RetryDelays {
    seed: u64,
    /// None until something fails: most requests work, and building it costs something.
    delays: Option<ExponentialBackoff>,
}

impl RetryDelays {
    /// `seed` decides the jitter.
    pub fn new(seed: u64) -> Self {
        Self { seed, delays: None }
    }

    /// The next delay; not shorter than the server's `Retry-After`.
    pub fn next(&mut self, retry_after: Option<Duration>) -> Duration {
        let delay = self.delays.get_or_insert_with(|| delays(self.seed)).next().unwrap_or(LONGEST);
        retry_after.map_or(delay, |retry_after| retry_after.min(LONGEST_RETRY_AFTER) + delay.min(FIRST * 2))
    }

    /// Starts again with the shortest delay: something worked.
    pub fn reset(&mut self) {
        if self.delays.take().is_some() {
            self.seed = mix(self.seed);
        }
    }
}

fn delays(seed: u64) -> ExponentialBackoff {
    let builder = ExponentialBuilder::new().with_min_delay(FIRST).with_max_delay(LONGEST).without_max_times();
    builder.with_jitter().with_jitter_seed(seed).build()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LONGEST, LONGEST_RETRY_AFTER, RetryDelays};

    #[test]
    fn delays_grow_to_a_limit_and_start_again_after_a_success() {
        let mut retry = RetryDelays::new(1);
        let delays: Vec<_> = (0..40).map(|_| retry.next(None)).collect();
        assert!(delays[0] >= Duration::from_millis(25) && delays[0] <= Duration::from_millis(50), "{:?}", delays[0]);
        assert!(delays.windows(2).take(5).all(|pair| pair[1] > pair[0] / 2), "{delays:?}");
        assert!(delays[39] >= LONGEST && delays.iter().all(|delay| *delay <= LONGEST * 2), "{delays:?}");
        retry.reset();
        assert!(retry.next(None) <= Duration::from_millis(50));
    }

    #[test]
    fn the_jitter_differs_from_seed_to_seed() {
        let delays = |seed| -> Vec<_> {
            let mut retry = RetryDelays::new(seed);
            (0..8).map(|_| retry.next(None)).collect()
        };
        assert_eq!(delays(1), delays(1));
        assert_ne!(delays(1), delays(2));
    }

    #[test]
    fn retry_after_is_honoured_within_reason() {
        let mut retry = RetryDelays::new(1);
        let delay = retry.next(Some(Duration::from_secs(2)));
        assert!(delay >= Duration::from_secs(2) && delay < Duration::from_millis(2_100), "{delay:?}");
        assert!(retry.next(Some(Duration::from_secs(3_600))) < LONGEST_RETRY_AFTER + Duration::from_secs(1));
    }
}
