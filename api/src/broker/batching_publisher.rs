//! The group commit of one HTTP thread.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use pulso_shared::amqp::message::Submission;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use super::accepted::AcceptedCounter;
use super::batch::{Batch, Confirmed, Receipt};
use super::metrics::PUBLISH;
use super::outcome::PublishError;
use super::publisher::Publisher;
use super::unconfirmed::UnconfirmedOfThread;

/// Messages of one thread in flight at once, of which one may be a partial batch: the next partial one leaves when it
/// has been confirmed, and has grown meanwhile. More would only be smaller messages: each costs the broker as much as 90
/// heartbeats in one. Full ones leave at once, since they have nothing to gain by waiting.
const MAX_IN_FLIGHT: usize = 4;

/// The right to publish a batch that is not full.
type PartialBatchPermit = OwnedSemaphorePermit;

/// How often a partial batch yields to the event loop to gather more, while each time brings something.
const MAX_GATHER_YIELDS: usize = 16;

/// Limits of the publisher.
#[derive(Debug, Clone, Copy)]
pub struct PublishLimits {
    /// From the first submission in a message to its confirm.
    pub timeout: Duration,
    /// Bytes that may wait for the broker or be in flight in one HTTP thread.
    pub buffer_bytes: usize,
}

/// Notices when the loop of a thread's publisher ends: its requests would wait in vain.
#[derive(Clone)]
pub struct BatchingWatch(Arc<Notify>);

impl BatchingWatch {
    /// A watch, and a task that ends when a loop does.
    pub fn new() -> (Self, impl Future<Output = ()> + Send + use<>) {
        let ended = Arc::new(Notify::new());
        (Self(Arc::clone(&ended)), async move { ended.notified().await })
    }
}

/// Held by a loop; dropped with it, also when it panics.
struct Running(BatchingWatch);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.0.notify_one();
    }
}

/// Publishes the submissions of one HTTP thread. Not `Send`: everything that waits on it runs on that thread.
#[derive(Clone)]
pub struct BatchingPublisher(Rc<Inner>);

struct Inner {
    queue: RefCell<Queue>,
    /// Notified when there is something to publish.
    submitted: Notify,
    /// Notified when a batch is full.
    filled: Notify,
    /// One permit: at most one partial batch is in flight.
    partial: Arc<Semaphore>,
    limits: PublishLimits,
    accepted: AcceptedCounter,
    unconfirmed: UnconfirmedOfThread,
}

/// Batches that wait to be published, and how many bytes wait or are in flight.
#[derive(Default)]
struct Queue {
    full: VecDeque<Batch>,
    open: Option<Batch>,
    bytes: usize,
}

impl BatchingPublisher {
    /// Starts in the current thread; it runs as long as the thread's event loop.
    pub fn start(publisher: Publisher, limits: PublishLimits, watch: BatchingWatch) -> Self {
        let inner = Rc::new(Inner {
            queue: RefCell::default(),
            submitted: Notify::new(),
            filled: Notify::new(),
            partial: Arc::new(Semaphore::new(1)),
            limits,
            accepted: publisher.accepted_counter(),
            unconfirmed: publisher.unconfirmed_of_thread(),
        });
        actix_web::rt::spawn(run(Rc::clone(&inner), publisher, Running(watch)));
        Self(inner)
    }

    /// Adds a submission to the next message; refused where too much is waiting already.
    pub fn submit(&self, submission: &Submission) -> Result<Receipt, PublishError> {
        let mut queue = self.0.queue.borrow_mut();
        if queue.bytes >= self.0.limits.buffer_bytes {
            return Err(PublishError::BufferFull);
        }
        let receipt = queue.add(submission, self.0.limits, &self.0.unconfirmed)?;
        self.0.submitted.notify_one();
        if !queue.full.is_empty() {
            self.0.filled.notify_one();
        }
        Ok(receipt)
    }
}

impl Queue {
    fn add(
        &mut self,
        submission: &Submission,
        limits: PublishLimits,
        unconfirmed: &UnconfirmedOfThread,
    ) -> Result<Receipt, PublishError> {
        let open = || Batch::open(limits.timeout, unconfirmed.begin(submission.received_at));
        let batch = self.open.get_or_insert_with(open);
        let before = batch.body.len();
        let pushed = batch.push(submission);
        if batch.body.is_empty() {
            // Nothing is in it, and nothing may ever come: it must not hold the watermark back.
            unconfirmed.end(batch.message);
            self.open = None;
            return pushed;
        }
        let receipt = pushed?;
        self.bytes = self.bytes.saturating_add(batch.body.len().saturating_sub(before));
        if batch.is_full() {
            self.full.extend(self.open.take());
        }
        Ok(receipt)
    }

    /// The oldest batch, as a finished message.
    fn take(&mut self) -> Option<Batch> {
        let batch = self.full.pop_front().or_else(|| self.open.take())?;
        Some(self.finish(batch))
    }

    /// The oldest batch that is full, as a finished message.
    fn take_full(&mut self) -> Option<Batch> {
        let batch = self.full.pop_front()?;
        Some(self.finish(batch))
    }

    fn finish(&mut self, mut batch: Batch) -> Batch {
        batch.finish();
        self.bytes = self.bytes.saturating_add(1);
        batch
    }
}

impl Inner {
    /// The next message, and the permit that it needed. A full one leaves at once; a partial one waits for the permit,
    /// and grows meanwhile.
    async fn next_batch(&self) -> (Batch, Option<PartialBatchPermit>) {
        loop {
            if let Some(batch) = self.take(Queue::take_full) {
                return (batch, None);
            }
            if self.waiting_bytes() == 0 {
                self.submitted.notified().await;
                continue;
            }
            tokio::select! {
                permit = Arc::clone(&self.partial).acquire_owned() => {
                    self.gather().await;
                    if let Some(batch) = self.take(Queue::take) {
                        // Never closed, so there is always a permit.
                        return (batch, permit.ok());
                    }
                }
                () = self.filled.notified() => {}
            }
        }
    }

    fn take(&self, take: impl FnOnce(&mut Queue) -> Option<Batch>) -> Option<Batch> {
        take(&mut self.queue.borrow_mut())
    }

    /// Lets requests that have already arrived on this thread join the batch. Not a delay: each yield runs what is
    /// ready, and the first one that brings nothing ends it.
    async fn gather(&self) {
        let mut seen = 0;
        for _ in 0..MAX_GATHER_YIELDS {
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
        // Nothing is gained by waiting while there is a full batch.
        if queue.full.is_empty() { queue.open.as_ref().map_or(0, |batch| batch.body.len()) } else { 0 }
    }

    async fn deliver(&self, batch: Batch, publisher: &Publisher) {
        let outcome = publisher.deliver(&batch.body, batch.deadline).await;
        self.forget(&batch);
        self.unconfirmed.end(batch.message);
        batch.resolve(outcome, |confirmed| self.count(confirmed));
    }

    fn count(&self, Confirmed { devices, latency }: Confirmed) {
        PUBLISH.messages.increment(1);
        PUBLISH.batch_size.record(f64::from(u32::try_from(devices.len()).unwrap_or(u32::MAX)));
        PUBLISH.latency.record(latency.as_secs_f64());
        self.accepted.add(devices);
    }

    fn forget(&self, batch: &Batch) {
        let mut queue = self.queue.borrow_mut();
        queue.bytes = queue.bytes.saturating_sub(batch.body.len());
    }
}

async fn run(inner: Rc<Inner>, publisher: Publisher, _running: Running) {
    let in_flight = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
    loop {
        // Never closed, so there is always a permit.
        let slot = Arc::clone(&in_flight).acquire_owned().await;
        let (batch, partial) = inner.next_batch().await;
        let (inner, publisher) = (Rc::clone(&inner), publisher.clone());
        actix_web::rt::spawn(async move {
            inner.deliver(batch, &publisher).await;
            let delay = publisher.backpressure_delay();
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            drop((partial, slot));
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{BatchingWatch, Running};

    #[tokio::test]
    async fn a_loop_that_panics_on_one_thread_is_noticed() {
        let (watch, ended) = BatchingWatch::new();
        let other = Running(watch.clone());
        let running = Running(watch);
        let panicked = tokio::spawn(async move {
            let _running = running;
            panic!("a loop that fails");
        });
        assert!(panicked.await.is_err());
        tokio::time::timeout(Duration::from_secs(5), ended).await.unwrap();
        drop(other);
    }
}
