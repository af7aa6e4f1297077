//! A page of the dead-letter queue: letters delivered, but not acknowledged.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Connection, Consumer};
use tokio::time::Instant;

use crate::amqp::connect::{CALL_TIMEOUT, ConnectionError, within_time};

/// Most letters in a page. A letter may be as large as a request (1 MiB), and a page is in memory.
const PAGE_SIZE: u16 = 100;
/// Limit for the broker to show requeued letters again.
const REQUEUE_TIMEOUT: Duration = Duration::from_secs(3);
const COUNT_EVERY: Duration = Duration::from_millis(20);
/// After this long without a delivery the queue is counted: the rest may have expired.
const SILENCE: Duration = Duration::from_millis(500);

/// Some letters, oldest first. What is not removed returns to its place when the page or its connection is closed.
pub(super) struct Page {
    channel: Channel,
    pub(super) letters: Vec<Delivery>,
}

impl Page {
    /// Receives the next letters, at most `limit` and at most [`PAGE_SIZE`]; `None` when none are ready.
    pub(super) async fn take(
        connection: &Connection,
        queue: &ShortString,
        limit: usize,
    ) -> Result<Option<Self>, ConnectionError> {
        let channel = within_time(connection.create_channel()).await?;
        let waiting = usize::try_from(count(&channel, queue).await?).unwrap_or(usize::MAX);
        let wanted = waiting.min(limit).min(usize::from(PAGE_SIZE));
        if wanted == 0 {
            within_time(channel.close(200, "nothing there".into())).await?;
            return Ok(None);
        }
        let letters = receive(&channel, queue, wanted).await?;
        Ok(Some(Self { channel, letters }))
    }

    /// Removes a letter from the queue.
    pub(super) async fn remove(&self, letter: &Delivery) -> Result<(), ConnectionError> {
        within_time(self.channel.basic_ack(letter.delivery_tag, BasicAckOptions::default())).await
    }

    /// Requeues what was not removed, in order.
    pub(super) async fn close(self) -> Result<(), ConnectionError> {
        within_time(self.channel.close(200, "page turned".into())).await
    }
}

/// Number of letters that are ready: delivered to nobody.
pub(super) async fn count(channel: &Channel, queue: &ShortString) -> Result<u32, ConnectionError> {
    let passive = QueueDeclareOptions { passive: true, durable: true, ..QueueDeclareOptions::default() };
    Ok(within_time(channel.queue_declare(queue.clone(), passive, FieldTable::default())).await?.message_count())
}

/// Waits until the broker counts requeued letters again, so that the next browser finds all of them.
pub(super) async fn wait_until_requeued(
    connection: &Connection,
    queue: &ShortString,
    letters: u32,
) -> Result<(), ConnectionError> {
    let channel = within_time(connection.create_channel()).await?;
    let shown = async {
        while count(&channel, queue).await? < letters {
            tokio::time::sleep(COUNT_EVERY).await;
        }
        Ok::<_, ConnectionError>(())
    };
    // No error: letters may have expired, or somebody without the lock has taken some.
    tokio::time::timeout(REQUEUE_TIMEOUT, shown).await.unwrap_or(Ok(()))
}

/// The next letter; `None` when no more will come. The broker counts expired letters until they reach the queue's head,
/// and never delivers them.
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
            Err(elapsed) if Instant::now() >= deadline => return Err(elapsed.into()),
            Err(_) => {}
        }
    }
}

async fn receive(channel: &Channel, queue: &ShortString, wanted: usize) -> Result<Vec<Delivery>, ConnectionError> {
    let prefetch = u16::try_from(wanted).unwrap_or(PAGE_SIZE);
    within_time(channel.basic_qos(prefetch, BasicQosOptions::default())).await?;
    let (tag, options) = (ShortString::default(), BasicConsumeOptions::default());
    let mut consumer = within_time(channel.basic_consume(queue.clone(), tag, options, FieldTable::default())).await?;
    let mut letters = Vec::with_capacity(wanted);
    while letters.len() < wanted {
        match next(channel, queue, &mut consumer).await? {
            Some(letter) => letters.push(letter),
            None => break,
        }
    }
    // Or each ack would deliver another letter.
    within_time(channel.basic_cancel(consumer.tag(), BasicCancelOptions::default())).await?;
    Ok(letters)
}
