//! Passwords: bcrypt on threads of its own. A hash keeps a core busy for a quarter of a
//! second by design, so only a few run at once, and only a few more may wait: a flood of sign-ins must not take the
//! machine away from the devices.
//!
//! ```text
//!  address or user: 4 at once ─┬ known (they have signed in from there before) ─────────────────▶ threads ─▶ bcrypt
//!                              └ strangers: 48 of the 64 that wait, one after the other ─▶ turn ─▶
//! ```
//!
//! So whoever is known waits for the hash that is being made, and not for all that strangers ask for.

use std::sync::Arc;

use bcrypt::HashParts;
use secrecy::ExposeSecret;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use super::password_rules::{Comparison, NewPassword, PasswordAttempt};
use crate::http::error::ApiError;
use crate::http::holder::Holder;
use crate::http::shares::{Share, ShareLimit, Shares};

/// Hashes that may wait for a thread; the last of them then waits for 4 to 16 s at the default cost.
const MAX_WAITING: usize = 64;
/// Those of them that strangers leave to people who are known.
const RESERVED: usize = 16;
/// Hashes that one address, or one user, may ask for at once.
const MAX_PER_HOLDER: u32 = 4;
const WHAT: &str = "Sign-in";

/// For whom a password is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashingFor {
    /// Whose share it is of.
    pub holder: Holder,
    /// Whether they have signed in from there before, or are signed in.
    pub is_known: bool,
}

/// Salt and hash of no password anybody knows, for sign-ins with a name nobody has.
const NOBODY: &str = "abcdefghijklmnopqrstuuQbHtCVFAYDnYWlAk1xeJqXz6dDpLkMu";

/// Hashes and verifies passwords; one a process, since what it shares out is the machine's cores.
pub struct PasswordHasher {
    cost: u32,
    of_holder: Shares<Holder>,
    /// Those at work and those waiting.
    places: Arc<Semaphore>,
    /// Strangers' among them.
    places_of_strangers: Arc<Semaphore>,
    /// Strangers who are at work or next.
    turn_of_strangers: Arc<Semaphore>,
    /// Those at work.
    threads: Arc<Semaphore>,
}

/// Permission to hash; given back when dropped, also by a client that hangs up while it waits.
struct HashingPermit {
    _share: Option<Share<Holder>>,
    _place: OwnedSemaphorePermit,
    _turn: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
    _thread: OwnedSemaphorePermit,
}

impl PasswordHasher {
    /// A hasher of bcrypt's `cost`, on half of the machine's cores, but at least 1 and at most 4.
    pub fn new(cost: u32) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).clamp(1, 4));
        Self::with_threads(cost, threads, MAX_WAITING, RESERVED)
    }

    fn with_threads(cost: u32, threads: usize, max_waiting: usize, reserved: usize) -> Self {
        let semaphore = |permits| Arc::new(Semaphore::new(permits));
        let places = threads.saturating_add(max_waiting);
        let in_all = u32::try_from(places).unwrap_or(u32::MAX);
        Self {
            cost,
            of_holder: Shares::new(ShareLimit {
                name: "password-hashes",
                what: WHAT,
                per_holder: MAX_PER_HOLDER,
                in_all,
            }),
            places: semaphore(places),
            places_of_strangers: semaphore(places.saturating_sub(reserved)),
            turn_of_strangers: semaphore(threads),
            threads: semaphore(threads),
        }
    }

    /// Hashes a password; 429 where its holder has too many hashed already, 503 when too many are waiting. `None`: for
    /// the process itself.
    pub async fn hash(&self, password: NewPassword, whom: Option<HashingFor>) -> Result<String, ApiError> {
        let cost = self.cost;
        self.run(whom, move || bcrypt::hash(password.expose().expose_secret(), cost)).await
    }

    /// Whether `password` is the one of `hash`. Takes the same time where there is no account; 429 and 503 as for
    /// [`Self::hash`].
    pub async fn verify(
        &self,
        password: PasswordAttempt,
        hash: Option<String>,
        whom: HashingFor,
    ) -> Result<Comparison, ApiError> {
        let is_known = hash.is_some();
        let hash = hash.unwrap_or_else(|| nobodys_hash(self.cost));
        let comparison = self.run(Some(whom), move || password.compare(&hash)).await?;
        Ok(if is_known { comparison } else { Comparison::Wrong })
    }

    /// The password anew, where its hash has another cost than hashes have now (bcrypt's work is raised over the years),
    /// or is older than the comparison by RFC 8265.
    pub async fn rehash(
        &self,
        password: PasswordAttempt,
        hash: &str,
        comparison: Comparison,
        whom: HashingFor,
    ) -> Result<Option<String>, ApiError> {
        let cost = self.cost;
        let has_cost = hash.parse::<HashParts>().is_ok_and(|parts| parts.get_cost() == cost);
        if has_cost && comparison != Comparison::RightAsTyped {
            return Ok(None);
        }
        self.run(Some(whom), move || bcrypt::hash(password.best().expose_secret(), cost)).await.map(Some)
    }

    async fn run<T: Send + 'static>(
        &self,
        whom: Option<HashingFor>,
        work: impl FnOnce() -> Result<T, bcrypt::BcryptError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let permit = self.permit(whom).await?;
        // The permit goes along: when the client hangs up, the work goes on, and its thread is still taken.
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        let result = done.await.map_err(|error| ApiError::Internal(Box::new(error)))?;
        result.map_err(|error| ApiError::Internal(Box::new(error)))
    }

    async fn permit(&self, whom: Option<HashingFor>) -> Result<HashingPermit, ApiError> {
        let share = whom.map(|whom| self.of_holder.take(whom.holder, 1)).transpose()?;
        let turn = match whom {
            Some(HashingFor { is_known: false, .. }) => {
                let place = take_place(&self.places_of_strangers)?;
                Some((place, wait_for(&self.turn_of_strangers).await?))
            }
            Some(_) | None => None,
        };
        // Strangers who wait for their turn have a place of their own kind only, so that they keep nobody else out.
        let place = take_place(&self.places)?;
        let thread = wait_for(&self.threads).await?;
        Ok(HashingPermit { _share: share, _place: place, _turn: turn, _thread: thread })
    }
}

fn take_place(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, ApiError> {
    let full = |_| ApiError::Unavailable { what: WHAT, cause: "too many password hashes are waiting".into() };
    Arc::clone(places).try_acquire_owned().map_err(full)
}

async fn wait_for(semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, ApiError> {
    let permit = Arc::clone(semaphore).acquire_owned().await;
    permit.map_err(|closed| ApiError::Internal(Box::new(closed)))
}

fn nobodys_hash(cost: u32) -> String {
    format!("$2b${cost:02}${NOBODY}")
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::{Comparison, HashingFor, Holder, NewPassword, PasswordAttempt, PasswordHasher, nobodys_hash};
    use crate::http::error::ApiError;

    const COST: u32 = 4;

    fn new(password: &str) -> NewPassword {
        NewPassword::try_from(password.to_owned()).unwrap()
    }

    fn known(number: u8) -> HashingFor {
        HashingFor { is_known: true, ..stranger(number) }
    }

    fn stranger(number: u8) -> HashingFor {
        HashingFor { holder: Holder::Address([192, 0, 2, number].into()), is_known: false }
    }

    fn attempt(password: &str) -> PasswordAttempt {
        PasswordAttempt::try_from(password.to_owned()).unwrap()
    }

    #[tokio::test]
    async fn only_the_same_password_passes() {
        let hasher = PasswordHasher::new(COST);
        let hash = hasher.hash(new("correct horse"), None).await.unwrap();
        for (typed, hash, expected) in [
            ("correct horse", Some(hash.clone()), Comparison::Right),
            ("correct\u{a0}horse", Some(hash.clone()), Comparison::Right),
            ("wrong horse", Some(hash), Comparison::Wrong),
            ("correct horse", None, Comparison::Wrong),
        ] {
            assert_eq!(hasher.verify(attempt(typed), hash, known(1)).await.unwrap(), expected, "{typed}");
        }
    }

    #[tokio::test]
    async fn a_hash_of_what_was_typed_once_passes_and_is_made_anew() {
        let hasher = PasswordHasher::new(COST);
        let typed = "cafe\u{301} noir";
        let old = bcrypt::hash(typed, COST).unwrap();
        let comparison = hasher.verify(attempt(typed), Some(old.clone()), known(1)).await.unwrap();
        assert_eq!(comparison, Comparison::RightAsTyped);
        let new = hasher.rehash(attempt(typed), &old, comparison, known(1)).await.unwrap().unwrap();
        assert_eq!(hasher.verify(attempt("café noir"), Some(new.clone()), known(1)).await.unwrap(), Comparison::Right);
        assert_eq!(hasher.verify(attempt(typed), Some(new.clone()), known(1)).await.unwrap(), Comparison::Right);
        assert_eq!(hasher.rehash(attempt(typed), &new, Comparison::Right, known(1)).await.unwrap(), None);
        // What is refused by now still passes as it is.
        let hidden = "pass\u{200b}word";
        let old = bcrypt::hash(hidden, COST).unwrap();
        assert!(hasher.verify(attempt(hidden), Some(old.clone()), known(1)).await.unwrap().is_right());
        assert!(!hasher.verify(attempt("password"), Some(old), known(1)).await.unwrap().is_right());
    }

    #[tokio::test]
    async fn what_bcrypt_would_cut_off_is_not_ignored() {
        let hasher = PasswordHasher::new(COST);
        let longest = "x".repeat(72);
        let hash = hasher.hash(new(&longest), None).await.unwrap();
        assert!(hasher.verify(attempt(&longest), Some(hash.clone()), known(1)).await.unwrap().is_right());
        assert!(!hasher.verify(attempt(&(longest + "y")), Some(hash), known(1)).await.unwrap().is_right());
    }

    #[test]
    fn nobodys_hash_costs_what_a_real_one_does() {
        let parts: bcrypt::HashParts = nobodys_hash(12).parse().unwrap();
        assert_eq!(parts.get_cost(), 12);
    }

    #[tokio::test]
    async fn a_few_work_a_few_wait_and_beyond_that_sign_in_is_unavailable() {
        let hasher = PasswordHasher::with_threads(COST, 1, 1, 0);
        let at_work = hasher.permit(Some(known(1))).await.unwrap();
        let mut waiting = Box::pin(hasher.permit(Some(known(1))));
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(matches!(hasher.permit(Some(known(1))).await, Err(ApiError::Unavailable { .. })));
        drop(at_work);
        assert!(waiting.await.is_ok());
    }

    #[tokio::test]
    async fn an_address_has_a_few_places() {
        let hasher = PasswordHasher::with_threads(COST, 9, 0, 0);
        let mut held = Vec::new();
        for _ in 0..4 {
            held.push(hasher.permit(Some(stranger(1))).await.unwrap());
        }
        assert!(matches!(hasher.permit(Some(stranger(1))).await, Err(ApiError::TooManyRequests(_))));
        assert!(hasher.permit(Some(stranger(2))).await.is_ok());
    }

    #[tokio::test]
    async fn strangers_wait_for_each_other_and_leave_places_to_those_who_are_known() {
        let hasher = PasswordHasher::with_threads(COST, 1, 8, 4);
        let at_work = hasher.permit(Some(stranger(0))).await.unwrap();
        let mut strangers: Vec<_> = (1..5).map(|n| Box::pin(hasher.permit(Some(stranger(n))))).collect();
        assert!(strangers.iter_mut().all(|waiting| waiting.as_mut().now_or_never().is_none()));
        assert!(matches!(hasher.permit(Some(stranger(9))).await, Err(ApiError::Unavailable { .. })));
        let mut known = Box::pin(hasher.permit(Some(known(9))));
        assert!(known.as_mut().now_or_never().is_none());
        drop(at_work);
        // Whoever is known is next, although the strangers came before.
        let _at_work = known.as_mut().now_or_never().expect("the thread").unwrap();
        assert!(strangers.iter_mut().all(|waiting| waiting.as_mut().now_or_never().is_none()));
    }
}
