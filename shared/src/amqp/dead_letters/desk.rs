//! The place where dead letters are looked at. One person at a time: what lies on one desk, another would not see.

use std::collections::BTreeSet;
use std::time::Duration;

use lapin::message::Delivery;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use secrecy::SecretString;
use tokio::time::Instant;

use super::letter::{DeadLetter, id_of};
use super::page::{self, Page};
use crate::amqp::connection::{self, ConnectionError, within_time};
use crate::amqp::message::CONTENT_TYPE;
use crate::amqp::topology::Topology;
use crate::ids::DeadLetterId;

/// AMQP `delivery-mode` of a message that must survive the broker.
const PERSISTENT: u8 = 2;
/// How long one waits for one's turn at the desk.
const TURN_TIMEOUT: Duration = Duration::from_secs(5);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(100);

/// Why nothing could be done at the desk.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The broker, or the way to it.
    #[error(transparent)]
    Broker(#[from] ConnectionError),
    /// Somebody else has them in hand.
    #[error("somebody else is busy with the dead letters")]
    Busy,
}

/// Which letters are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// All that are there when it begins.
    All,
    /// These.
    Only(BTreeSet<DeadLetterId>),
}

/// The oldest letters, and how many there are in all.
#[derive(Debug)]
pub struct Listing {
    /// Oldest first.
    pub letters: Vec<DeadLetter>,
    /// Shown or not.
    pub total: u32,
}

/// What came of a replay.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// Letters that are in the store queue now, and no longer dead.
    pub replayed: u32,
    /// Chosen letters that were not found. After a [`Stop`]: or not reached.
    pub missing: Vec<DeadLetterId>,
    /// Why it ended before its end.
    pub stopped: Option<Stop>,
}

/// Why a replay ended early. What it had not come to is where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// The store queue is full.
    #[error("the store queue is full")]
    QueueFull,
    /// No queue is bound to the exchange.
    #[error("the message could not be routed")]
    Unroutable,
    /// No confirm in time: the broker is blocked or gone.
    #[error("the broker did not confirm in time")]
    NoConfirm,
    /// The time that the caller gave is over.
    #[error("the time is over")]
    OutOfTime,
}

/// A connection with the dead letters to itself.
pub struct Desk {
    connection: Connection,
    topology: Topology,
}

impl Desk {
    /// Connects, and waits for its turn.
    ///
    /// # Errors
    /// When the broker is away, or somebody else is at the desk for too long.
    pub async fn open(url: &SecretString, topology: Topology) -> Result<Self, DeskError> {
        let connection = connection::open(url, "pulso dead letters").await?;
        topology.declare(&connection).await?;
        wait_for_turn(&connection, &topology).await?;
        Ok(Self { connection, topology })
    }

    /// The oldest letters, at most so many. They stay where they are.
    ///
    /// # Errors
    /// When the broker is away.
    pub async fn list(&self, most: usize) -> Result<Listing, DeskError> {
        let total = self.count().await?;
        let mut listing = Listing { letters: Vec::new(), total };
        let mut pages = Vec::new();
        while let Some(mut page) = self.next_page(most.saturating_sub(listing.letters.len())).await? {
            // Their bodies are not kept.
            listing.letters.extend(page.letters.drain(..).map(|letter| DeadLetter::read(&letter)));
            pages.push(page);
        }
        self.give_back(pages, total).await?;
        Ok(listing)
    }

    /// Puts letters back where the API publishes.
    ///
    /// # Errors
    /// When the broker goes away meanwhile; what was replayed until then is replayed.
    pub async fn replay(&self, choice: &Choice, deadline: Instant) -> Result<Replayed, DeskError> {
        let publisher = Publisher::open(&self.connection, &self.topology).await?;
        let mut done = Replayed::default();
        let walk = self.walk(choice, async |letter| {
            let stop =
                if Instant::now() >= deadline { Some(Stop::OutOfTime) } else { publisher.put_back(letter).await? };
            done.stopped = stop;
            Ok(stop.is_none())
        });
        (done.replayed, done.missing) = walk.await?;
        Ok(done)
    }

    /// Throws letters away; answers how many, and which were not found.
    ///
    /// # Errors
    /// When the broker goes away meanwhile; what was thrown away until then is gone.
    pub async fn delete(&self, choice: &Choice) -> Result<(u32, Vec<DeadLetterId>), DeskError> {
        self.walk(choice, async |_| Ok(true)).await
    }

    /// Ends the connection; the next one may come.
    pub async fn close(self) {
        if let Err(error) = within_time(self.connection.close(200, "done".into())).await {
            tracing::debug!(%error, "connection not closed cleanly");
        }
    }

    /// Goes through the queue once, and removes each chosen letter for which `act` says yes; its first no ends the walk.
    async fn walk(
        &self,
        choice: &Choice,
        mut act: impl AsyncFnMut(&Delivery) -> Result<bool, ConnectionError>,
    ) -> Result<(u32, Vec<DeadLetterId>), DeskError> {
        let mut missing = choice.ids();
        let total = self.count().await?;
        let (mut seen, mut removed, mut more) = (0_u32, 0_u32, true);
        let mut pages = Vec::new();
        // Not beyond those that were there at first: what comes back from a replay comes behind them.
        while more && seen < total {
            let left = usize::try_from(total.saturating_sub(seen)).unwrap_or(usize::MAX);
            let Some(mut page) = self.next_page(left).await? else { break };
            for letter in std::mem::take(&mut page.letters) {
                seen = seen.saturating_add(1);
                let id = id_of(&letter);
                if !more || !choice.means(id) {
                    continue;
                }
                more = act(&letter).await?;
                if more {
                    page.remove(&letter).await?;
                    removed = removed.saturating_add(1);
                    missing.remove(&id);
                }
            }
            more = more && (*choice == Choice::All || !missing.is_empty());
            pages.push(page);
        }
        self.give_back(pages, total.saturating_sub(removed)).await?;
        Ok((removed, missing.into_iter().collect()))
    }

    async fn next_page(&self, most: usize) -> Result<Option<Page>, ConnectionError> {
        Page::take(&self.connection, &self.topology.dead_queue(), most).await
    }

    /// In their order, so that the letters are in theirs.
    async fn give_back(&self, pages: Vec<Page>, letters: u32) -> Result<(), ConnectionError> {
        for page in pages {
            page.close().await?;
        }
        page::returned(&self.connection, &self.topology.dead_queue(), letters).await
    }

    async fn count(&self) -> Result<u32, ConnectionError> {
        let channel = within_time(self.connection.create_channel()).await?;
        let count = page::count(&channel, &self.topology.dead_queue()).await?;
        within_time(channel.close(200, "counted".into())).await?;
        Ok(count)
    }
}

impl Choice {
    fn ids(&self) -> BTreeSet<DeadLetterId> {
        match self {
            Self::All => BTreeSet::new(),
            Self::Only(ids) => ids.clone(),
        }
    }

    fn means(&self, id: DeadLetterId) -> bool {
        match self {
            Self::All => true,
            Self::Only(ids) => ids.contains(&id),
        }
    }
}

/// An exclusive queue belongs to one connection and dies with it: a lock that no crash leaves behind, and that all
/// replicas and commands see.
async fn wait_for_turn(connection: &Connection, topology: &Topology) -> Result<(), DeskError> {
    let end = Instant::now() + TURN_TIMEOUT;
    loop {
        let channel = within_time(connection.create_channel()).await?;
        let exclusive = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        let name = topology.dead_letter_desk();
        match within_time(channel.queue_declare(name, exclusive, FieldTable::default())).await {
            Ok(_) => return Ok(()),
            Err(ConnectionError::Broker(_)) if connection.status().connected() => {}
            Err(error) => return Err(error.into()),
        }
        if Instant::now() >= end {
            return Err(DeskError::Busy);
        }
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
}

/// The way back.
struct Publisher {
    channel: Channel,
    exchange: ShortString,
    key: ShortString,
}

impl Publisher {
    async fn open(connection: &Connection, topology: &Topology) -> Result<Self, ConnectionError> {
        let channel = within_time(connection.create_channel()).await?;
        within_time(channel.confirm_select(ConfirmSelectOptions::default())).await?;
        Ok(Self { channel, exchange: topology.telemetry_exchange(), key: topology.telemetry_key() })
    }

    /// Publishes a letter's body as it was published first. `None` when it is confirmed.
    async fn put_back(&self, letter: &Delivery) -> Result<Option<Stop>, ConnectionError> {
        let mut properties =
            BasicProperties::default().with_content_type(CONTENT_TYPE.into()).with_delivery_mode(PERSISTENT);
        if let Some(kind) = letter.properties.kind() {
            properties = properties.with_type(kind.clone());
        }
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let (exchange, key) = (self.exchange.clone(), self.key.clone());
        let confirmation = within_time(async {
            self.channel.basic_publish(exchange, key, options, &letter.data, properties).await?.await
        });
        match confirmation.await {
            Ok(Confirmation::Ack(None)) => Ok(None),
            Ok(Confirmation::Nack(_)) => Ok(Some(Stop::QueueFull)),
            Ok(Confirmation::Ack(Some(_)) | Confirmation::NotRequested) => Ok(Some(Stop::Unroutable)),
            Err(ConnectionError::Timeout(_)) => Ok(Some(Stop::NoConfirm)),
            Err(error) => Err(error),
        }
    }
}
