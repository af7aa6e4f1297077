//! How every job runs: again and again, whatever becomes of its database.

use std::time::Duration;

use crate::error::StoreError;

/// Repeats `work` without end, `pause` after each time: a job whose connection breaks reconnects.
pub async fn repeat<Fut>(job: &'static str, pause: Duration, mut work: impl FnMut() -> Fut)
where
    Fut: Future<Output = Result<(), StoreError>>,
{
    loop {
        if let Err(error) = work().await {
            tracing::warn!(job, %error, retry_in = ?pause, "job failed; retrying");
        }
        tokio::time::sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use tokio::time::Instant;

    use super::repeat;
    use crate::error::StoreError;

    #[tokio::test(start_paused = true)]
    async fn a_job_goes_on_after_failures_and_pauses_between_attempts() {
        let (started, attempts) = (Instant::now(), Cell::new(0));
        let work = || {
            attempts.set(attempts.get() + 1);
            let done = if attempts.get() % 2 == 0 { Ok(()) } else { Err(StoreError::Transient("no database".into())) };
            std::future::ready(done)
        };
        let ended = tokio::time::timeout(Duration::from_millis(9_500), repeat("test", Duration::from_secs(1), work));
        assert!(ended.await.is_err(), "it never ends");
        assert_eq!((attempts.get(), started.elapsed().as_millis()), (10, 9_500));
    }
}
