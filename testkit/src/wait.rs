//! Waiting for something to become true, never for time to pass.

use std::time::Duration;

use tokio::time::Instant;

/// Long enough for a loaded CI machine; a test that passes never waits for it.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Asks until the answer is `Some`, and returns it.
///
/// # Panics
/// When it has not come in 30 s; `what` says what was waited for.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not in {PATIENCE:?}: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
