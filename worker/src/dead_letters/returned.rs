//! Replays what RabbitMQ dead-lettered by itself, because it had been returned to the queue too often. Nothing is wrong
//! with such a message: workers were restarted, or the broker stalled. Queues that this version makes have no such limit;
//! those of earlier versions keep theirs, and an operator's policy may set one.

use std::time::Duration;

use pulso_shared::amqp::dead_letters::{BrowseError, Choice, DeadLetterBrowser};
use pulso_shared::amqp::topology::Topology;
use secrecy::SecretString;
use tokio::time::Instant;

/// A message that ends its worker each time must leave the others some time before it is tried again.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Even when the number of letters has not changed: as many may have come as somebody has deleted.
const LOOK_ANYWAY_AFTER: Duration = Duration::from_secs(3_600);
const REPLAY_TIMEOUT: Duration = Duration::from_secs(60);

/// Letters of the broker's own, in the dead-letter queue.
pub struct ReturnedLetters {
    url: SecretString,
    topology: Topology,
    due_at: Instant,
    /// How many letters were left after the last look through all of them, and when that was.
    looked: Option<(u32, Instant)>,
}

impl ReturnedLetters {
    pub fn new(url: SecretString, topology: Topology) -> Self {
        Self { url, topology, due_at: Instant::now(), looked: None }
    }

    /// Replays them when it is time to look. Counting costs one connection; all letters are read only after their
    /// number has changed.
    pub async fn replay_when_due(&mut self) {
        if Instant::now() < self.due_at {
            return;
        }
        if let Err(error) = self.replay().await {
            tracing::warn!(%error, "no look for messages that RabbitMQ has dead-lettered by itself");
        }
        self.due_at = Instant::now() + LOOK_EVERY;
    }

    async fn replay(&mut self) -> Result<(), BrowseError> {
        let browser = DeadLetterBrowser::open(&self.url, self.topology.clone()).await?;
        let replayed = self.replay_from(&browser).await;
        browser.close().await;
        replayed
    }

    async fn replay_from(&mut self, browser: &DeadLetterBrowser) -> Result<(), BrowseError> {
        let before = browser.count().await?;
        let unchanged = self.looked.is_some_and(|(left, at)| left == before && at.elapsed() < LOOK_ANYWAY_AFTER);
        if before == 0 || unchanged {
            return Ok(());
        }
        let done = browser.replay(&Choice::ReturnedTooOften, Instant::now() + REPLAY_TIMEOUT).await?;
        // What was not reached is looked for again.
        self.looked = done.stopped.is_none().then_some((before.saturating_sub(done.replayed), Instant::now()));
        if done.replayed > 0 || done.stopped.is_some() {
            let (replayed, stopped) = (done.replayed, done.stopped.map(|stop| stop.to_string()));
            tracing::warn!(replayed, stopped, "replayed messages that RabbitMQ had dead-lettered by itself");
        }
        Ok(())
    }
}
