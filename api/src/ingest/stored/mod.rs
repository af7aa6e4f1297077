//! Waiting for the commit, where a request asks for it (`?ack=stored`); no other request pays for it.
//!
//! ```text
//!  request ─▶ StoredWatch::wait ─▶ one task a process ─▶ what do these rows hold? (every 20 ms while any waits)
//!                     200 or 202 ◀─┘
//! ```
//!
//! Only PostgreSQL is asked: a value that it shows is committed, whichever worker wrote it and however often the reading
//! was sent; the answer depends on neither Redis nor the worker. An item is stored when its row has a value of each of its
//! metrics: values never change, so each is then its own, or one that was first.

mod store;
mod waiting;

use std::time::Duration;

use pulso_shared::shutdown::Shutdown;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

pub use self::waiting::Settled;
use self::waiting::{Keys, Waiting};
use super::accepted::Accepted;
use crate::db::SignInDb;
use crate::http::error::ApiError;

/// How often the database is queried. Storing takes about as long, so more often tells little more.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Most items that are waited for at a time; further requests are answered 202 at once.
const MAX_ITEMS: usize = 100_000;
/// Most requests in the queue to the task.
const MAX_ARRIVING: usize = 10_000;

/// Where requests wait for their rows.
pub struct StoredWatch {
    arriving: mpsc::Sender<Waiter>,
}

/// A request that waits.
struct Waiter {
    waiting: Waiting,
    /// Sent to when everything is settled; dropped when waiting is over.
    done: oneshot::Sender<Settled>,
}

impl StoredWatch {
    /// A watch, and the task behind it; that ends at shutdown, and every waiting request is then answered 202.
    pub fn new(db: SignInDb, shutdown: Shutdown) -> (Self, impl Future<Output = ()> + Send + use<>) {
        let (arriving, arrivals) = mpsc::channel(MAX_ARRIVING);
        (Self { arriving }, watch(db, arrivals, shutdown))
    }

    /// Waits until every item is stored, and tells what became of them; `None` when that has not been seen in time.
    pub async fn wait(&self, accepted: &Accepted, timeout: Duration) -> Option<Settled> {
        let (done, seen) = oneshot::channel();
        let waiter = Waiter { waiting: Waiting::of(accepted), done };
        // Full: too many wait already.
        self.arriving.try_send(waiter).ok()?;
        tokio::time::timeout(timeout, seen).await.ok()?.ok()
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
        if let Err(error) = settle(&db, &mut waiting).await {
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

/// Takes what is committed off what the requests wait for.
async fn settle(db: &SignInDb, waiters: &mut [Waiter]) -> Result<(), ApiError> {
    let mut keys = Keys::default();
    waiters.iter().for_each(|waiter| waiter.waiting.add_keys(&mut keys));
    let rows = store::find_stored(&mut *db.get().await?, &keys).await?;
    waiters.iter_mut().for_each(|waiter| waiter.waiting.settle(&rows));
    Ok(())
}

/// Lets in who has come meanwhile, while there is room. The others are dropped, which answers them.
fn admit(waiting: &mut Vec<Waiter>, arrivals: &mut mpsc::Receiver<Waiter>) {
    let mut items: usize = waiting.iter().map(|waiter| waiter.waiting.len()).sum();
    while let Ok(waiter) = arrivals.try_recv() {
        let with_it = items.saturating_add(waiter.waiting.len());
        if with_it <= MAX_ITEMS {
            items = with_it;
            waiting.push(waiter);
        }
    }
}

/// Tells those who wait for nothing any more, and forgets those who have gone.
fn release(waiting: &mut Vec<Waiter>) {
    let (still, done): (Vec<_>, Vec<_>) =
        waiting.drain(..).partition(|waiter| !waiter.waiting.is_empty() && !waiter.done.is_closed());
    *waiting = still;
    for waiter in done.into_iter().filter(|waiter| waiter.waiting.is_empty()) {
        // Nobody listens when the client has hung up.
        let _ = waiter.done.send(waiter.waiting.into_settled());
    }
}
