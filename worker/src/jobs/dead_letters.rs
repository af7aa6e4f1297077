//! Moves dead letters from the outbox to the broker's dead-letter queue, and replays what the broker itself put there:
//! one worker at a time, beside storing. While the queue is full or does not confirm, the letters wait in the database,
//! and nothing else waits.

use std::time::Duration;

use pulso_shared::amqp::topology::Topology;
use pulso_shared::locks::AdvisoryLock;
use secrecy::SecretString;
use tokio_postgres::Client;

use super::leader::try_lead;
use super::repeat::repeat;
use crate::dead_letters::{DeadLetterPublisher, PublishError, ReturnedLetters};
use crate::error::StoreError;
use crate::metrics::STORE;
use crate::storage::{connect, dead_letter_outbox};

/// How often an empty outbox is looked at: one look-up by key.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// After a failure. A full queue stays full until somebody deletes letters.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// Letters in memory at once; each may be as large as a request (1 MiB).
const PAGE: i64 = 50;

/// Where letters come from and go to.
#[derive(Clone)]
pub struct DeadLetterSettings {
    pub database_url: SecretString,
    pub amqp_url: SecretString,
    pub topology: Topology,
}

/// Moves letters whenever this worker leads, for as long as the process runs.
pub async fn run(settings: DeadLetterSettings) {
    repeat("dead letters", RETRY_AFTER, || lead(&settings)).await;
}

/// Waits for the lock, then moves letters until the database fails.
async fn lead(settings: &DeadLetterSettings) -> Result<(), StoreError> {
    let client = connect(&settings.database_url).await?;
    while !try_lead(&client, AdvisoryLock::MoveDeadLetters).await? {
        tokio::time::sleep(RETRY_AFTER).await;
    }
    let mut publisher = DeadLetterPublisher::new(settings.amqp_url.clone(), settings.topology.clone());
    let mut returned = ReturnedLetters::new(settings.amqp_url.clone(), settings.topology.clone());
    let _leading = Leading;
    loop {
        returned.replay_when_due().await;
        let pause = match move_page(&client, &mut publisher).await? {
            Moved::Some => continue,
            Moved::None => LOOK_EVERY,
            Moved::Refused(error) => {
                report_waiting(&client, &error).await?;
                RETRY_AFTER
            }
        };
        tokio::time::sleep(pause).await;
    }
}

enum Moved {
    /// There may be more.
    Some,
    /// The outbox is empty.
    None,
    Refused(PublishError),
}

/// Publishes the oldest letters, and deletes those that are confirmed. A crash in between publishes some of them again,
/// under the same id.
async fn move_page(client: &Client, publisher: &mut DeadLetterPublisher) -> Result<Moved, StoreError> {
    let page = dead_letter_outbox::list(client, PAGE).await?;
    if page.is_empty() {
        STORE.dead_letters_waiting.set(0.0);
        return Ok(Moved::None);
    }
    let (mut confirmed, mut moved) = (Vec::new(), Moved::Some);
    for waiting in &page {
        match publisher.publish(&waiting.letter).await {
            Ok(()) => confirmed.push(waiting.position),
            Err(error) => {
                moved = Moved::Refused(error);
                break;
            }
        }
    }
    if !confirmed.is_empty() {
        dead_letter_outbox::delete(client, &confirmed).await?;
    }
    Ok(moved)
}

async fn report_waiting(client: &Client, error: &PublishError) -> Result<(), StoreError> {
    let waiting = dead_letter_outbox::count(client).await?;
    STORE.dead_letters_waiting.set(f64::from(u32::try_from(waiting).unwrap_or(u32::MAX)));
    tracing::warn!(%error, waiting, "dead letters not published; they wait in the database");
    Ok(())
}

/// Whoever does not lead knows of no letter that waits.
struct Leading;

impl Drop for Leading {
    fn drop(&mut self) {
        STORE.dead_letters_waiting.set(0.0);
    }
}
