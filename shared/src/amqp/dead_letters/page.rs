//! A stretch of the dead-letter queue in hand: delivered, not acknowledged.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer};
use tokio::time::Instant;

use crate::amqp::connection::{CALL_TIMEOUT, ConnectionError, within_time};

/// Letters in a page. A letter may be as large as a request (1 MiB), and a page is in memory.
pub(super) const PAGE: u16 = 100;
/// How long the broker may take to take back what was in hand.
const RETURN_TIMEOUT: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// After this long without a letter, one looks whether there is one.
const SILENCE: Duration = Duration::from_millis(500);

/// Some letters, oldest first. What is not removed goes back to its place when the page is closed, or its connection dies.
pub(super) struct Page {
    channel: Channel,
    pub(super) letters: Vec<Delivery>,
}

impl Page {
    /// Takes the next letters in hand, at most `most` and at most [`PAGE`]; none when the rest is in hand already.
    pub(super) async fn take(
        connection: &Connection,
        queue: &ShortString,
        most: usize,
    ) -> Result<Option<Self>, ConnectionError> {
        let channel = within_time(connection.create_channel()).await?;
        let waiting = usize::try_from(count(&channel, queue).await?).unwrap_or(usize::MAX);
        let wanted = waiting.min(most).min(usize::from(PAGE));
        if wanted == 0 {
            within_time(channel.close(200, "nothing there".into())).await?;
            return Ok(None);
        }
        let letters = receive(&channel, queue, wanted).await?;
        Ok(Some(Self { channel, letters }))
    }

    /// Removes a letter from the queue for good.
    pub(super) async fn remove(&self, letter: &Delivery) -> Result<(), ConnectionError> {
        within_time(self.channel.basic_ack(letter.delivery_tag, BasicAckOptions::default())).await
    }

    /// Gives back what was not removed, in its order.
    pub(super) async fn close(self) -> Result<(), ConnectionError> {
        within_time(self.channel.close(200, "page turned".into())).await
    }
}

/// How many letters nobody has in hand.
pub(super) async fn count(channel: &Channel, queue: &ShortString) -> Result<u32, ConnectionError> {
    let passive = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
    Ok(within_time(channel.queue_declare(queue.clone(), passive, FieldTable::default())).await?.message_count())
}

/// Waits until the broker shows again what was in hand: the next one to look shall find everything.
pub(super) async fn returned(
    connection: &Connection,
    queue: &ShortString,
    letters: u32,
) -> Result<(), ConnectionError> {
    let channel = within_time(connection.create_channel()).await?;
    let shown = async {
        while count(&channel, queue).await? < letters {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok::<_, ConnectionError>(())
    };
    // Should somebody take letters out behind our back, or some have expired, there is nothing to wait for.
    tokio::time::timeout(RETURN_TIMEOUT, shown).await.unwrap_or(Ok(()))
}

/// The next letter; none when no more will come. The broker counts a letter that has expired until its turn comes, and
/// then does not deliver it.
async fn next(
    channel: &Channel,
    queue: &ShortString,
    consumer: &mut Consumer,
) -> Result<Option<Delivery>, ConnectionError> {
    let deadline = Instant::now() + CALL_TIMEOUT;
    loop {
        match tokio::time::timeout(SILENCE, consumer.next()).await {
            Ok(letter) => return Ok(letter.transpose()?),
            Err(_) if count(channel, queue).await? == 0 => return Ok(None),
            Err(silence) if Instant::now() >= deadline => return Err(silence.into()),
            Err(_) => {}
        }
    }
}

async fn receive(channel: &Channel, queue: &ShortString, wanted: usize) -> Result<Vec<Delivery>, ConnectionError> {
    let most = u16::try_from(wanted).unwrap_or(PAGE);
    within_time(channel.basic_qos(most, BasicQosOptions::default())).await?;
    let (tag, options) = (ShortString::default(), BasicConsumeOptions::default());
    let mut consumer = within_time(channel.basic_consume(queue.clone(), tag, options, FieldTable::default())).await?;
    let mut letters = Vec::with_capacity(wanted);
    while letters.len() < wanted {
        match next(channel, queue, &mut consumer).await? {
            Some(letter) => letters.push(letter),
            None => break,
        }
    }
    // Else an acknowledgement would bring the next letter.
    within_time(channel.basic_cancel(consumer.tag(), BasicCancelOptions::default())).await?;
    Ok(letters)
}
