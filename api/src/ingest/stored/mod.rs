//! Waiting for the commit, for those who asked for it (`?ack=stored`); nobody else pays for it.
//!
//! ```text
//!  request ─▶ StoredWatch::wait ─▶ one task a process ─▶ which of all these rows are there? (every 20 ms, if anyone waits)
//!                     200 or 202 ◀─┘
//! ```
//!
//! PostgreSQL is asked, and nobody else: a row that it shows is committed, whichever worker wrote it and however often
//! the reading was sent; and the answer needs neither Redis nor a word from the worker.

mod keys;
mod store;

use std::time::Duration;

use crate::db::DbPool;
use pulso_shared::amqp::message::Submission;
use pulso_shared::shutdown::Shutdown;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use keys::Keys;

/// How often the database is asked. A batch lingers for 50 ms before it is written, so more often tells little more.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Most rows that are waited for at a time; whoever comes then is answered 202 at once.
const MAX_KEYS: usize = 100_000;
/// Most requests that have not been seen by the task yet.
const MAX_ARRIVING: usize = 10_000;

/// Where requests wait for their rows.
pub struct StoredWatch {
    arriving: mpsc::Sender<Waiter>,
}

/// A request that waits.
struct Waiter {
    /// What is not there yet.
    missing: Keys,
    /// Told when nothing is missing any more; dropped when there is no more waiting.
    done: oneshot::Sender<()>,
}

impl StoredWatch {
    /// Starts the task that asks; it ends when the process is told to stop, and everybody is then answered 202.
    #[must_use]
    pub fn start(db: DbPool, shutdown: Shutdown) -> Self {
        let (arriving, arrivals) = mpsc::channel(MAX_ARRIVING);
        tokio::spawn(watch(db, arrivals, shutdown));
        Self { arriving }
    }

    /// Waits until every row of `submission` is committed; `false` when that has not been seen in time.
    pub async fn wait(&self, submission: &Submission, timeout: Duration) -> bool {
        let (done, seen) = oneshot::channel();
        let waiter = Waiter { missing: Keys::of(submission), done };
        // Full: too many wait already.
        if self.arriving.try_send(waiter).is_err() {
            return false;
        }
        matches!(tokio::time::timeout(timeout, seen).await, Ok(Ok(())))
    }
}

async fn watch(db: DbPool, mut arrivals: mpsc::Receiver<Waiter>, mut shutdown: Shutdown) {
    let mut waiting: Vec<Waiter> = Vec::new();
    loop {
        let first = if waiting.is_empty() {
            tokio::select! {
                first = arrivals.recv() => first,
                () = shutdown.requested() => None,
            }
        } else {
            arrivals.try_recv().ok()
        };
        if first.is_none() && waiting.is_empty() {
            return;
        }
        waiting.extend(first);
        admit(&mut waiting, &mut arrivals);
        let started = Instant::now();
        if let Err(error) = store::look(&db, &mut waiting).await {
            tracing::debug!(%error, "not asked whether rows are stored; asking again");
        }
        release(&mut waiting);
        // A slow look is not followed by the next one at once: half of the time the database is left alone.
        tokio::select! {
            () = sleep(LOOK_EVERY.max(started.elapsed())) => {}
            () = shutdown.requested() => return,
        }
    }
}

/// Lets in who has come meanwhile, while there is room. The others are dropped, which answers them.
fn admit(waiting: &mut Vec<Waiter>, arrivals: &mut mpsc::Receiver<Waiter>) {
    let mut keys: usize = waiting.iter().map(|waiter| waiter.missing.len()).sum();
    while let Ok(waiter) = arrivals.try_recv() {
        let with_it = keys.saturating_add(waiter.missing.len());
        if with_it <= MAX_KEYS {
            keys = with_it;
            waiting.push(waiter);
        }
    }
}

/// Tells those who miss nothing any more, and forgets those who have gone.
fn release(waiting: &mut Vec<Waiter>) {
    let (still, done): (Vec<_>, Vec<_>) =
        waiting.drain(..).partition(|waiter| !waiter.missing.is_empty() && !waiter.done.is_closed());
    *waiting = still;
    for waiter in done.into_iter().filter(|waiter| waiter.missing.is_empty()) {
        // Nobody listens when the client has hung up.
        let _ = waiter.done.send(());
    }
}
