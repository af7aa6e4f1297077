//! Waiting for something to become true, never for time to pass.

use std::time::Duration;

use tokio::time::Instant;

/// Long enough for a loaded CI machine; a test that passes never waits for it.
const TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);

/// Asks until the answer is `Some`, and returns it; ends the test after 30 s. `what` says what was waited for.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not in {TIMEOUT:?}: {what}");
        tokio::time::sleep(POLL).await;
    }
}
