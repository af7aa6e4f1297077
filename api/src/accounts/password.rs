//! bcrypt, on threads of its own. A hash keeps a core busy for a quarter of a second by design, so only a few run at
//! once, and only a few more may wait: a flood of sign-ins must not take the machine away from the devices.

use std::sync::LazyLock;

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Semaphore, SemaphorePermit};

use super::types::MAX_PASSWORD_BYTES;
use crate::http::error::ApiError;

/// Hashes that may wait for a thread; the last of them then waits for 4 to 16 s at the default cost.
const MAX_WAITING: usize = 64;

/// One a process: what it shares out is the machine's cores. Half of them, and between 1 and 4.
static TURNS: LazyLock<Turns> = LazyLock::new(|| {
    let threads = std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).clamp(1, 4));
    Turns::new(threads, MAX_WAITING)
});

/// Salt and hash of no password anybody knows, for sign-ins with a name nobody has.
const NOBODY: &str = "abcdefghijklmnopqrstuuQbHtCVFAYDnYWlAk1xeJqXz6dDpLkMu";

/// Hashes a password.
///
/// # Errors
/// 503 when too many are waiting.
pub async fn hash(password: SecretString, cost: u32) -> Result<String, ApiError> {
    on_own_thread(move || bcrypt::hash(password.expose_secret(), cost)).await
}

/// Whether `password` is the one of `hash`. Takes the same time where there is no such account.
///
/// # Errors
/// 503 when too many are waiting.
pub async fn verify(password: SecretString, hash: Option<String>, cost: u32) -> Result<bool, ApiError> {
    let is_known = hash.is_some();
    let hash = hash.unwrap_or_else(|| nobodys_hash(cost));
    let matches = on_own_thread(move || bcrypt::verify(password.expose_secret(), &hash).map(|same| (same, password)));
    let (same, password) = matches.await?;
    // bcrypt compares the first 72 bytes only, and no account has a longer password.
    Ok(is_known && same && password.expose_secret().len() <= MAX_PASSWORD_BYTES)
}

fn nobodys_hash(cost: u32) -> String {
    format!("$2b${cost:02}${NOBODY}")
}

async fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, bcrypt::BcryptError> + Send + 'static,
) -> Result<T, ApiError> {
    let turn = TURNS.take().await?;
    // The turn goes along: when the client hangs up, the work goes on, and its thread is still taken.
    let done = tokio::task::spawn_blocking(move || {
        let result = work();
        drop(turn);
        result
    });
    let result = done.await.map_err(|error| ApiError::Internal(Box::new(error)))?;
    result.map_err(|error| ApiError::Internal(Box::new(error)))
}

/// Who may hash, and who may wait for it.
struct Turns {
    /// Those at work and those waiting.
    places: Semaphore,
    /// Those at work.
    threads: Semaphore,
}

/// A turn; given back when dropped, also by a client that hangs up while it waits.
struct Turn<'a> {
    _place: SemaphorePermit<'a>,
    _thread: SemaphorePermit<'a>,
}

impl Turns {
    fn new(threads: usize, waiting: usize) -> Self {
        Self { places: Semaphore::new(threads.saturating_add(waiting)), threads: Semaphore::new(threads) }
    }

    async fn take(&self) -> Result<Turn<'_>, ApiError> {
        let full = || ApiError::Unavailable { what: "Sign-in", cause: "too many password hashes are waiting".into() };
        let place = self.places.try_acquire().map_err(|_| full())?;
        let thread = self.threads.acquire().await.map_err(|closed| ApiError::Internal(Box::new(closed)))?;
        Ok(Turn { _place: place, _thread: thread })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::{Turns, hash, nobodys_hash, verify};
    use crate::http::error::ApiError;

    const COST: u32 = 4;

    #[tokio::test]
    async fn only_the_same_password_passes() {
        let kept = hash("correct horse".into(), COST).await.unwrap();
        assert!(verify("correct horse".into(), Some(kept.clone()), COST).await.unwrap());
        assert!(!verify("wrong horse".into(), Some(kept.clone()), COST).await.unwrap());
        assert!(!verify("correct horse".into(), None, COST).await.unwrap());
    }

    #[tokio::test]
    async fn what_bcrypt_would_cut_off_is_not_ignored() {
        let longest = "x".repeat(72);
        let kept = hash(longest.clone().into(), COST).await.unwrap();
        assert!(verify(longest.clone().into(), Some(kept.clone()), COST).await.unwrap());
        assert!(!verify((longest + "y").into(), Some(kept), COST).await.unwrap());
    }

    #[test]
    fn nobodys_hash_costs_what_a_real_one_does() {
        let parts: bcrypt::HashParts = nobodys_hash(12).parse().unwrap();
        assert_eq!(parts.get_cost(), 12);
    }

    #[tokio::test]
    async fn a_few_work_a_few_wait_and_beyond_that_sign_in_is_unavailable() {
        let turns = Turns::new(1, 1);
        let at_work = turns.take().await.unwrap();
        let mut waiting = Box::pin(turns.take());
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(matches!(turns.take().await, Err(ApiError::Unavailable { .. })));
        drop(at_work);
        assert!(waiting.await.is_ok());
    }
}
