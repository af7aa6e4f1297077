//! Retries with exponential backoff and without an end: what the worker waits for (PostgreSQL, RabbitMQ) comes back.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// A backoff that starts with `first` and doubles up to `longest`.
pub const fn between(first: Duration, longest: Duration) -> ExponentialBuilder {
    ExponentialBuilder::new().with_factor(2.0).with_min_delay(first).with_max_delay(longest).without_max_times()
}

/// Runs `attempt` until it succeeds; `notify` is told each failure, and how long the wait is after it.
///
/// The attempt gets the context and returns it, because a closure cannot lend what it has borrowed as `&mut` to a
/// future that has to be `Send`. Unlike `backon::RetryableWithContext`, this returns no error that cannot occur.
pub async fn retry<C, T, E, Fut: Future<Output = (C, Result<T, E>)>>(
    backoff: ExponentialBuilder,
    mut context: C,
    mut attempt: impl FnMut(C) -> Fut,
    mut notify: impl FnMut(&E, Duration),
) -> T {
    let mut delays = backoff.build();
    loop {
        let (returned, outcome) = attempt(context).await;
        match outcome {
            Ok(done) => return done,
            Err(error) => {
                let delay = delays.next().unwrap_or_default();
                notify(&error, delay);
                tokio::time::sleep(delay).await;
            }
        }
        context = returned;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use backon::BackoffBuilder;
    use tokio::time::Instant;

    use super::{between, retry};

    #[test]
    fn a_backoff_doubles_up_to_its_longest_delay_and_never_ends() {
        let mut delays = between(Duration::from_millis(250), Duration::from_secs(2)).build();
        let first: Vec<_> = delays.by_ref().take(6).map(|delay| delay.as_millis()).collect();
        assert_eq!(first, [250, 500, 1_000, 2_000, 2_000, 2_000]);
        assert_eq!(delays.nth(100_000), Some(Duration::from_secs(2)));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_is_repeated_until_it_succeeds_and_each_failure_is_told_with_its_wait() {
        let (started, mut waits) = (Instant::now(), Vec::new());
        let attempt = |attempts: u32| async move {
            let outcome = if attempts < 4 { Err(attempts) } else { Ok("stored") };
            (attempts + 1, outcome)
        };
        let backoff = between(Duration::from_secs(1), Duration::from_secs(2));
        let done = retry(backoff, 1, attempt, |error, wait| waits.push((*error, wait.as_secs()))).await;
        assert_eq!((done, waits), ("stored", vec![(1, 1), (2, 2), (3, 2)]));
        assert_eq!(started.elapsed(), Duration::from_secs(5));
    }
}
