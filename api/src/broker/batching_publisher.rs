//! The group commit of one HTTP thread.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::Shared;
use pulso_shared::amqp::message::{self, Submission};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use super::publisher::Publisher;
use super::{Outcome, PublishLimits, Refusal};
use crate::http::metrics::INGEST;

/// A message is closed when it has grown to this: a quorum queue copies it a few times, and the worker's prefetch
/// counts messages, so the largest one decides how much memory a full prefetch takes.
const MAX_MESSAGE_BYTES: usize = 128 * 1024;

/// Messages of one lane on their way at once, of which one may be less than full: the next such one leaves when it has
/// been confirmed, and has grown meanwhile. More would only be smaller messages: each costs the broker as much as 90
/// heartbeats in one. Full ones leave at once, since they have nothing to gain by waiting.
const MAX_IN_FLIGHT: usize = 4;

/// The right to send a message that is not full.
type Turn = OwnedSemaphorePermit;

/// How many turns of the event loop a batch may go on gathering while each turn still brings something.
const MAX_GATHER_TURNS: usize = 16;

/// Resolves when the message that a submission travels in has been confirmed or refused.
#[derive(Clone)]
pub struct Receipt(Shared<oneshot::Receiver<Outcome>>);

impl Receipt {
    /// Waits for the broker's word.
    ///
    /// # Errors
    /// Why the submission was not taken.
    pub async fn confirmed(self) -> Result<(), Refusal> {
        match self.0.await {
            Ok(Outcome::Confirmed) => Ok(()),
            Ok(Outcome::Refused(refusal)) => Err(refusal),
            Err(_) => Err(Refusal::Stopped),
        }
    }
}

/// The publisher's door in one HTTP thread. Not `Send`: everything that waits on it runs on that thread.
#[derive(Clone)]
pub struct Lane(Rc<Inner>);

struct Inner {
    queue: RefCell<Queue>,
    /// Told when there is something to send.
    submitted: Notify,
    /// Told when a message is full.
    filled: Notify,
    /// One, of the lane's message that is not full.
    turn: Arc<Semaphore>,
    limits: PublishLimits,
}

/// What waits to be sent, and how many bytes wait or are on their way.
#[derive(Default)]
struct Queue {
    closed: VecDeque<Batch>,
    open: Option<Batch>,
    bytes: usize,
}

/// Submissions that travel together: the body of one message.
pub(super) struct Batch {
    pub(super) body: Vec<u8>,
    pub(super) deadline: Instant,
    opened_at: Instant,
    readings: usize,
    outcome: oneshot::Sender<Outcome>,
    receipt: Receipt,
}

impl Lane {
    /// Opens a lane in the current thread; it runs as long as the thread's event loop.
    #[must_use]
    pub fn open(publisher: Publisher, limits: PublishLimits) -> Self {
        let inner = Rc::new(Inner {
            queue: RefCell::default(),
            submitted: Notify::new(),
            filled: Notify::new(),
            turn: Arc::new(Semaphore::new(1)),
            limits,
        });
        actix_web::rt::spawn(run(Rc::clone(&inner), publisher));
        Self(inner)
    }

    /// Puts a submission into the next message.
    ///
    /// # Errors
    /// [`Refusal::BufferFull`] when too much is waiting already.
    pub fn submit(&self, submission: &Submission) -> Result<Receipt, Refusal> {
        let mut queue = self.0.queue.borrow_mut();
        if queue.bytes >= self.0.limits.buffer_bytes {
            return Err(Refusal::BufferFull);
        }
        let receipt = queue.add(submission, self.0.limits)?;
        self.0.submitted.notify_one();
        if !queue.closed.is_empty() {
            self.0.filled.notify_one();
        }
        Ok(receipt)
    }
}

impl Queue {
    fn add(&mut self, submission: &Submission, limits: PublishLimits) -> Result<Receipt, Refusal> {
        let batch = self.open.get_or_insert_with(|| Batch::open(limits));
        let before = batch.body.len();
        // Writing to memory cannot fail, and every value in a submission can be written; if one could not, the message
        // would be cut back to what it was.
        if batch.push(submission).is_err() {
            batch.body.truncate(before);
            return Err(Refusal::Unroutable);
        }
        let receipt = batch.receipt.clone();
        self.bytes = self.bytes.saturating_add(batch.body.len().saturating_sub(before));
        if batch.body.len() >= MAX_MESSAGE_BYTES {
            self.closed.extend(self.open.take());
        }
        Ok(receipt)
    }

    /// The oldest batch, as a finished message.
    fn take(&mut self) -> Option<Batch> {
        let batch = self.closed.pop_front().or_else(|| self.open.take())?;
        Some(self.finish(batch))
    }

    /// The oldest batch that is full, as a finished message.
    fn take_full(&mut self) -> Option<Batch> {
        let batch = self.closed.pop_front()?;
        Some(self.finish(batch))
    }

    fn finish(&mut self, mut batch: Batch) -> Batch {
        batch.body.push(b']');
        self.bytes = self.bytes.saturating_add(1);
        batch
    }
}

impl Batch {
    fn open(limits: PublishLimits) -> Self {
        let (outcome, receiver) = oneshot::channel();
        let opened_at = Instant::now();
        Self {
            body: Vec::with_capacity(4096),
            deadline: opened_at + limits.timeout,
            opened_at,
            readings: 0,
            outcome,
            receipt: Receipt(receiver.shared()),
        }
    }

    /// Writes one more element of the JSON array that the message is.
    fn push(&mut self, submission: &Submission) -> serde_json::Result<()> {
        self.body.push(if self.body.is_empty() { b'[' } else { b',' });
        message::encode(submission, &mut self.body)?;
        self.readings = self.readings.saturating_add(submission.len());
        Ok(())
    }
}

impl Inner {
    /// The next message, and the turn that it needed. One that is full leaves at once; one that is not waits for its
    /// turn, and grows meanwhile.
    async fn next_batch(&self) -> (Batch, Option<Turn>) {
        loop {
            if let Some(batch) = self.take(Queue::take_full) {
                return (batch, None);
            }
            if self.waiting_bytes() == 0 {
                self.submitted.notified().await;
                continue;
            }
            tokio::select! {
                turn = Arc::clone(&self.turn).acquire_owned() => {
                    self.gather().await;
                    if let Some(batch) = self.take(Queue::take) {
                        // Never closed, so there is always a turn.
                        return (batch, turn.ok());
                    }
                }
                () = self.filled.notified() => {}
            }
        }
    }

    fn take(&self, take: impl FnOnce(&mut Queue) -> Option<Batch>) -> Option<Batch> {
        take(&mut self.queue.borrow_mut())
    }

    /// Lets the requests that have already arrived on this thread get on board. Not a delay: each turn runs what is
    /// ready, and the first turn that brings nothing ends it.
    async fn gather(&self) {
        let mut seen = 0;
        for _ in 0..MAX_GATHER_TURNS {
            let waiting = self.waiting_bytes();
            if waiting == seen {
                return;
            }
            seen = waiting;
            tokio::task::yield_now().await;
        }
    }

    fn waiting_bytes(&self) -> usize {
        let queue = self.queue.borrow();
        // A closed batch is full: there is nothing to wait for.
        if queue.closed.is_empty() { queue.open.as_ref().map_or(0, |batch| batch.body.len()) } else { 0 }
    }

    async fn deliver(&self, batch: Batch, publisher: Publisher) {
        let outcome = publisher.deliver(&batch).await;
        self.forget(&batch);
        if outcome == Outcome::Confirmed {
            batch.count();
        }
        // Nobody listens when every client of the batch has hung up.
        let _ = batch.outcome.send(outcome);
    }

    fn forget(&self, batch: &Batch) {
        let mut queue = self.queue.borrow_mut();
        queue.bytes = queue.bytes.saturating_sub(batch.body.len());
    }
}

impl Batch {
    fn count(&self) {
        let readings = u32::try_from(self.readings).unwrap_or(u32::MAX);
        INGEST.accepted.increment(u64::from(readings));
        INGEST.messages.increment(1);
        INGEST.message_size.record(f64::from(readings));
        INGEST.publish_latency.record(self.opened_at.elapsed().as_secs_f64());
    }
}

async fn run(inner: Rc<Inner>, publisher: Publisher) {
    let room = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
    loop {
        // Never closed, so there is always a permit.
        let place = Arc::clone(&room).acquire_owned().await;
        let (batch, turn) = inner.next_batch().await;
        let (inner, publisher) = (Rc::clone(&inner), publisher.clone());
        actix_web::rt::spawn(async move {
            inner.deliver(batch, publisher.clone()).await;
            let brake = publisher.brake();
            if !brake.is_zero() {
                tokio::time::sleep(brake).await;
            }
            drop((turn, place));
        });
    }
}
