//! The dead-letter browser. Exclusive, because unacknowledged messages are invisible to all other consumers.

use std::collections::BTreeSet;
use std::time::Duration;

use lapin::Connection;
use lapin::message::Delivery;
use lapin::options::QueueDeclareOptions;
use lapin::types::FieldTable;
use secrecy::SecretString;
use tokio::time::Instant;

use super::letter::{DeadLetter, id_of, was_returned_too_often};
use super::page::{self, Page};
use super::republish::{Publisher, Stop};
use crate::amqp::connect::{self, ConnectionError, within_time};
use crate::amqp::topology::Topology;
use crate::ids::DeadLetterId;

/// How long `open` waits while somebody else holds the lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(5);
const TRY_LOCK_EVERY: Duration = Duration::from_millis(100);

/// Why the browser could not be opened or used.
#[derive(Debug, thiserror::Error)]
pub enum BrowseError {
    /// The broker refused, or is not reachable.
    #[error(transparent)]
    Broker(#[from] ConnectionError),
    /// Somebody else holds the lock.
    #[error("somebody else is working with the dead letters")]
    Busy,
}

/// The letters to act on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// All that are in the queue at the start.
    All,
    /// The letters with these ids.
    Only(BTreeSet<DeadLetterId>),
    /// Those that RabbitMQ gave up after its delivery limit: nothing is wrong with them.
    ReturnedTooOften,
}

/// The oldest letters, and how many there are in all.
#[derive(Debug)]
pub struct Listing {
    /// Oldest first.
    pub letters: Vec<DeadLetter>,
    /// In the queue, shown or not.
    pub total: u32,
}

/// The result of a replay.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Letters moved to the store queue.
    pub replayed: u32,
    /// Chosen letters that were not found. After a [`Stop`]: or not reached.
    pub missing: Vec<DeadLetterId>,
    /// Why it ended early; `None` when all chosen letters were tried.
    pub stopped: Option<Stop>,
}

/// A connection with exclusive access to the dead-letter queue.
pub struct DeadLetterBrowser {
    connection: Connection,
    topology: Topology,
}

impl DeadLetterBrowser {
    /// Connects, and waits for the lock.
    pub async fn open(url: &SecretString, topology: Topology) -> Result<Self, BrowseError> {
        let connection = connect::open(url, "pulso dead letters").await?;
        topology.declare(&connection).await?;
        acquire_lock(&connection, &topology).await?;
        Ok(Self { connection, topology })
    }

    /// The oldest letters, at most `limit`; they stay in the queue.
    pub async fn list(&self, limit: usize) -> Result<Listing, BrowseError> {
        let total = self.count().await?;
        let mut listing = Listing { letters: Vec::new(), total };
        let mut pages = Vec::new();
        while let Some(mut page) = self.next_page(limit.saturating_sub(listing.letters.len())).await? {
            // Bodies are dropped at once: a page of them can take 100 MiB.
            listing.letters.extend(page.letters.drain(..).map(|letter| DeadLetter::read(&letter)));
            pages.push(page);
        }
        self.requeue(pages, total).await?;
        Ok(listing)
    }

    /// Publishes letters where the API publishes, and removes them from the dead-letter queue. When the broker fails
    /// meanwhile, what was replayed until then stays replayed.
    pub async fn replay(&self, choice: &Choice, deadline: Instant) -> Result<Replayed, BrowseError> {
        let publisher = Publisher::open(&self.connection, &self.topology).await?;
        self.walk(choice, &Action::Replay { publisher, deadline }).await
    }

    /// Deletes letters; returns how many, and the ids that were not found.
    pub async fn delete(&self, choice: &Choice) -> Result<(u32, Vec<DeadLetterId>), BrowseError> {
        let Replayed { replayed: deleted, missing, .. } = self.walk(choice, &Action::Delete).await?;
        Ok((deleted, missing))
    }

    /// Closes the connection, which releases the lock.
    pub async fn close(self) {
        if let Err(error) = within_time(self.connection.close(200, "done".into())).await {
            tracing::debug!(%error, "connection not closed cleanly");
        }
    }

    /// Goes through the queue once, acts on each chosen letter and removes it; the first one that cannot be acted on
    /// ends it.
    async fn walk(&self, choice: &Choice, action: &Action) -> Result<Replayed, BrowseError> {
        let mut missing = choice.ids();
        let total = self.count().await?;
        let (mut seen, mut removed, mut stopped) = (0_u32, 0_u32, None);
        let (mut pages, mut more) = (Vec::new(), true);
        // Not beyond the letters that were there at first: a replayed one that fails again is appended behind them.
        while more && seen < total {
            let left = usize::try_from(total.saturating_sub(seen)).unwrap_or(usize::MAX);
            let Some(mut page) = self.next_page(left).await? else { break };
            for letter in std::mem::take(&mut page.letters) {
                seen = seen.saturating_add(1);
                let id = id_of(&letter);
                if stopped.is_some() || !choice.contains(id, &letter) {
                    continue;
                }
                stopped = action.act(&letter).await?;
                if stopped.is_none() {
                    page.remove(&letter).await?;
                    removed = removed.saturating_add(1);
                    missing.remove(&id);
                }
            }
            more = stopped.is_none() && choice.may_hold_more(&missing);
            pages.push(page);
        }
        self.requeue(pages, total.saturating_sub(removed)).await?;
        Ok(Replayed { replayed: removed, missing: missing.into_iter().collect(), stopped })
    }

    async fn next_page(&self, limit: usize) -> Result<Option<Page>, ConnectionError> {
        Page::take(&self.connection, &self.topology.dead_queue(), limit).await
    }

    /// Requeues pages in order, which keeps the letters in order.
    async fn requeue(&self, pages: Vec<Page>, letters: u32) -> Result<(), ConnectionError> {
        for page in pages {
            page.close().await?;
        }
        page::wait_until_requeued(&self.connection, &self.topology.dead_queue(), letters).await
    }

    /// How many letters there are.
    pub async fn count(&self) -> Result<u32, ConnectionError> {
        let channel = within_time(self.connection.create_channel()).await?;
        let count = page::count(&channel, &self.topology.dead_queue()).await?;
        within_time(channel.close(200, "counted".into())).await?;
        Ok(count)
    }
}

/// What is done with each chosen letter before it is removed.
enum Action {
    Delete,
    Replay { publisher: Publisher, deadline: Instant },
}

impl Action {
    /// Why the letter has to stay; `None`: it may be removed.
    async fn act(&self, letter: &Delivery) -> Result<Option<Stop>, ConnectionError> {
        match self {
            Self::Delete => Ok(None),
            Self::Replay { deadline, .. } if Instant::now() >= *deadline => Ok(Some(Stop::OutOfTime)),
            Self::Replay { publisher, .. } => publisher.republish(letter).await,
        }
    }
}

impl Choice {
    fn ids(&self) -> BTreeSet<DeadLetterId> {
        match self {
            Self::All | Self::ReturnedTooOften => BTreeSet::new(),
            Self::Only(ids) => ids.clone(),
        }
    }

    fn contains(&self, id: DeadLetterId, letter: &Delivery) -> bool {
        match self {
            Self::All => true,
            Self::Only(ids) => ids.contains(&id),
            Self::ReturnedTooOften => was_returned_too_often(letter),
        }
    }

    /// Whether to look further, when these ids have not been found yet.
    fn may_hold_more(&self, missing: &BTreeSet<DeadLetterId>) -> bool {
        match self {
            Self::All | Self::ReturnedTooOften => true,
            Self::Only(_) => !missing.is_empty(),
        }
    }
}

/// Takes the lock: an exclusive queue, which all replicas and commands see, and which a crash cannot leave behind,
/// because it ends with its connection.
async fn acquire_lock(connection: &Connection, topology: &Topology) -> Result<(), BrowseError> {
    let end = Instant::now() + LOCK_TIMEOUT;
    loop {
        let channel = within_time(connection.create_channel()).await?;
        let exclusive = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let name = topology.dead_letter_lock();
        match within_time(channel.queue_declare(name, exclusive, FieldTable::default())).await {
            Ok(_) => return Ok(()),
            Err(ConnectionError::Broker(_)) if connection.status().connected() => {}
            Err(error) => return Err(error.into()),
        }
        if Instant::now() >= end {
            return Err(BrowseError::Busy);
        }
        tokio::time::sleep(TRY_LOCK_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use lapin::message::Delivery;

    use super::Choice;
    use crate::ids::DeadLetterId;

    #[test]
    fn a_choice_contains_all_letters_or_those_it_names() {
        let (chosen, other) = (DeadLetterId::generate(), DeadLetterId::generate());
        let letter = Delivery::mock(1, "".into(), "refused".into(), false, b"[]".to_vec());
        assert!(Choice::All.contains(chosen, &letter) && Choice::All.contains(other, &letter));
        let only = Choice::Only(BTreeSet::from([chosen]));
        assert!(only.contains(chosen, &letter) && !only.contains(other, &letter));
        assert!(!Choice::ReturnedTooOften.contains(chosen, &letter), "the worker put it there");
    }

    #[test]
    fn only_letters_that_were_named_can_be_missing() {
        let chosen = BTreeSet::from([DeadLetterId::generate(), DeadLetterId::generate()]);
        assert_eq!(Choice::All.ids(), BTreeSet::new());
        assert_eq!(Choice::Only(chosen.clone()).ids(), chosen);
        let none = BTreeSet::new();
        assert!(Choice::All.may_hold_more(&none) && Choice::ReturnedTooOften.may_hold_more(&none));
        assert!(Choice::Only(chosen.clone()).may_hold_more(&chosen) && !Choice::Only(chosen).may_hold_more(&none));
    }
}
