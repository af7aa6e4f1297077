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
