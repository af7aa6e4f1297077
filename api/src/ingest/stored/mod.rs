//! Waiting for the commit, where a request asks for it (`?ack=stored`); no other request pays for it.
//!
//! ```text
//!  request ─▶ StoredWatch::wait ─▶ one task a process ─▶ which of these rows are committed? (every 20 ms while any waits)
//!                     200 or 202 ◀─┘
//! ```
//!
//! Only PostgreSQL is asked: a row that it shows is committed, whichever worker wrote it and however often the reading
//! was sent; the answer depends on neither Redis nor the worker.

mod keys;
mod store;

use std::time::Duration;

use pulso_shared::amqp::message::Submission;
use pulso_shared::shutdown::Shutdown;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use self::keys::Keys;
use crate::db::SignInDb;
use crate::http::error::ApiError;

/// How often the database is queried. A batch lingers for 50 ms before it is written, so more often tells little more.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Most rows that are waited for at a time; further requests are answered 202 at once.
const MAX_KEYS: usize = 100_000;
/// Most requests in the queue to the task.
const MAX_ARRIVING: usize = 10_000;

/// Where requests wait for their rows.
pub struct StoredWatch {
    arriving: mpsc::Sender<Waiter>,
}

/// A request that waits.
struct Waiter {
    /// Rows not committed yet.
    missing: Keys,
    /// Sent to when nothing is missing any more; dropped when waiting is over.
    done: oneshot::Sender<()>,
}

impl StoredWatch {
    /// A watch, and the task behind it; that ends at shutdown, and every waiting request is then answered 202.
    pub fn new(db: SignInDb, shutdown: Shutdown) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (arriving, arrivals) = mpsc::channel(MAX_ARRIVING);
        (Self { arriving }, watch(db, arrivals, shutdown))
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

async fn watch(db: SignInDb, mut arrivals: mpsc::Receiver<Waiter>, mut shutdown: Shutdown) {
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
        if let Err(error) = remove_stored(&db, &mut waiting).await {
            tracing::debug!(%error, "could not query which rows are stored; trying again");
        }
        release(&mut waiting);
        // A slow query is not followed by the next one at once: half of the time the database is left alone.
        tokio::select! {
            () = sleep(LOOK_EVERY.max(started.elapsed())) => {}
            () = shutdown.requested() => return,
        }
    }
}

/// Takes the rows that are committed off what the waiting requests miss.
async fn remove_stored(db: &SignInDb, waiting: &mut [Waiter]) -> Result<(), ApiError> {
    let mut missing = Keys::default();
    waiting.iter().for_each(|waiter| missing.extend(&waiter.missing));
    let stored = store::find_stored(&mut *db.get().await?, &missing).await?;
    waiting.iter_mut().for_each(|waiter| waiter.missing.remove(&stored));
    Ok(())
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
