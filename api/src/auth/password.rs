//! Passwords: which ones are accepted, and bcrypt on threads of its own. A hash keeps a core busy for a quarter of a
//! second by design, so only a few run at once, and only a few more may wait: a flood of sign-ins must not take the
//! machine away from the devices.

use std::sync::Arc;

use bcrypt::HashParts;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::http::error::ApiError;

/// Shorter passwords are guessed too soon.
const MIN_CHARS: usize = 8;
/// bcrypt reads no further; a longer password is refused, not cut.
const MAX_BYTES: usize = 72;
/// Hashes that may wait for a thread; the last of them then waits for 4 to 16 s at the default cost.
const MAX_WAITING: usize = 64;
/// Salt and hash of no password anybody knows, for sign-ins with a name nobody has.
const NOBODY: &str = "abcdefghijklmnopqrstuuQbHtCVFAYDnYWlAk1xeJqXz6dDpLkMu";

/// Why a password is refused; `Display` is what the client reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("must be at least {MIN_CHARS} characters")]
    TooShort,
    #[error("must be at most {MAX_BYTES} bytes, which is what bcrypt reads")]
    TooLong,
    /// No keyboard makes one.
    #[error("must not contain control characters")]
    ControlCharacter,
}

/// A password that an account may get.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct NewPassword(SecretString);

impl TryFrom<String> for NewPassword {
    type Error = PasswordError;

    fn try_from(password: String) -> Result<Self, PasswordError> {
        let password = PasswordAttempt::try_from(password)?.0;
        if password.expose_secret().chars().count() < MIN_CHARS {
            Err(PasswordError::TooShort)
        } else if password.expose_secret().len() > MAX_BYTES {
            Err(PasswordError::TooLong)
        } else {
            Ok(Self(password))
        }
    }
}

/// A password that is to be compared: older ones may break the rules of [`NewPassword`].
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct PasswordAttempt(SecretString);

impl TryFrom<String> for PasswordAttempt {
    type Error = PasswordError;

    fn try_from(password: String) -> Result<Self, PasswordError> {
        let has_control = password.chars().any(char::is_control);
        if has_control { Err(PasswordError::ControlCharacter) } else { Ok(Self(password.into())) }
    }
}

/// Hashes and verifies passwords; one a process, since what it shares out is the machine's cores.
pub struct PasswordHasher {
    cost: u32,
    /// Those at work and those waiting.
    places: Arc<Semaphore>,
    /// Those at work.
    threads: Arc<Semaphore>,
}

/// Permission to hash; given back when dropped, also by a client that hangs up while it waits.
struct HashingPermit {
    _place: OwnedSemaphorePermit,
    _thread: OwnedSemaphorePermit,
}

impl PasswordHasher {
    /// A hasher of bcrypt's `cost`, on half of the machine's cores, but at least 1 and at most 4.
    pub fn new(cost: u32) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).clamp(1, 4));
        Self::with_threads(cost, threads, MAX_WAITING)
    }

    fn with_threads(cost: u32, threads: usize, max_waiting: usize) -> Self {
        let places = Arc::new(Semaphore::new(threads.saturating_add(max_waiting)));
        Self { cost, places, threads: Arc::new(Semaphore::new(threads)) }
    }

    /// Hashes a password; 503 when too many are waiting.
    pub async fn hash(&self, password: NewPassword) -> Result<String, ApiError> {
        let cost = self.cost;
        self.run(move || bcrypt::hash(password.0.expose_secret(), cost)).await
    }

    /// Whether `password` is the one of `hash`. Takes the same time where there is no account; 503 when too many are
    /// waiting.
    pub async fn verify(&self, password: PasswordAttempt, hash: Option<String>) -> Result<bool, ApiError> {
        let is_known = hash.is_some();
        let hash = hash.unwrap_or_else(|| nobodys_hash(self.cost));
        // bcrypt compares the first 72 bytes only, and no account has a longer password.
        let fits = password.0.expose_secret().len() <= MAX_BYTES;
        let matches = self.run(move || bcrypt::verify(password.0.expose_secret(), &hash)).await?;
        Ok(is_known && matches && fits)
    }

    /// The password anew, where its hash has another cost than hashes have now: bcrypt's work is raised over the years.
    pub async fn rehash(&self, password: PasswordAttempt, hash: &str) -> Result<Option<String>, ApiError> {
        let cost = self.cost;
        if hash.parse::<HashParts>().is_ok_and(|parts| parts.get_cost() == cost) {
            return Ok(None);
        }
        self.run(move || bcrypt::hash(password.0.expose_secret(), cost)).await.map(Some)
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, bcrypt::BcryptError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let permit = self.permit().await?;
        // The permit goes along: when the client hangs up, the work goes on, and its thread is still taken.
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permit);
            result
        });
        let result = done.await.map_err(|error| ApiError::Internal(Box::new(error)))?;
        result.map_err(|error| ApiError::Internal(Box::new(error)))
    }

    async fn permit(&self) -> Result<HashingPermit, ApiError> {
        let full = || ApiError::Unavailable { what: "Sign-in", cause: "too many password hashes are waiting".into() };
        let place = self.places.clone().try_acquire_owned().map_err(|_| full())?;
        let thread = self.threads.clone().acquire_owned().await;
        let thread = thread.map_err(|closed| ApiError::Internal(Box::new(closed)))?;
        Ok(HashingPermit { _place: place, _thread: thread })
    }
}

fn nobodys_hash(cost: u32) -> String {
    format!("$2b${cost:02}${NOBODY}")
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::{NewPassword, PasswordAttempt, PasswordError, PasswordHasher, nobodys_hash};
    use crate::http::error::ApiError;

    const COST: u32 = 4;

    fn new(password: &str) -> NewPassword {
        NewPassword::try_from(password.to_owned()).unwrap()
    }

    fn attempt(password: &str) -> PasswordAttempt {
        PasswordAttempt::try_from(password.to_owned()).unwrap()
    }

    #[test]
    fn a_password_has_8_characters_to_72_bytes() {
        let password = |text: &str| NewPassword::try_from(text.to_owned()).map(|_| ());
        assert_eq!(password("1234567"), Err(PasswordError::TooShort));
        assert_eq!(password("çççççççç"), Ok(()));
        assert_eq!(password(&"x".repeat(72)), Ok(()));
        assert_eq!(password(&"x".repeat(73)), Err(PasswordError::TooLong));
        assert_eq!(password(&"ç".repeat(37)), Err(PasswordError::TooLong));
        assert_eq!(password("12345678\0"), Err(PasswordError::ControlCharacter));
    }

    #[tokio::test]
    async fn only_the_same_password_passes() {
        let hasher = PasswordHasher::new(COST);
        let hash = hasher.hash(new("correct horse")).await.unwrap();
        assert!(hasher.verify(attempt("correct horse"), Some(hash.clone())).await.unwrap());
        assert!(!hasher.verify(attempt("wrong horse"), Some(hash)).await.unwrap());
        assert!(!hasher.verify(attempt("correct horse"), None).await.unwrap());
    }

    #[tokio::test]
    async fn what_bcrypt_would_cut_off_is_not_ignored() {
        let hasher = PasswordHasher::new(COST);
        let longest = "x".repeat(72);
        let hash = hasher.hash(new(&longest)).await.unwrap();
        assert!(hasher.verify(attempt(&longest), Some(hash.clone())).await.unwrap());
        assert!(!hasher.verify(attempt(&(longest + "y")), Some(hash)).await.unwrap());
    }

    #[test]
    fn nobodys_hash_costs_what_a_real_one_does() {
        let parts: bcrypt::HashParts = nobodys_hash(12).parse().unwrap();
        assert_eq!(parts.get_cost(), 12);
    }

    #[tokio::test]
    async fn a_few_work_a_few_wait_and_beyond_that_sign_in_is_unavailable() {
        let hasher = PasswordHasher::with_threads(COST, 1, 1);
        let at_work = hasher.permit().await.unwrap();
        let mut waiting = Box::pin(hasher.permit());
        assert!(waiting.as_mut().now_or_never().is_none());
        assert!(matches!(hasher.permit().await, Err(ApiError::Unavailable { .. })));
        drop(at_work);
        assert!(waiting.await.is_ok());
    }
}
