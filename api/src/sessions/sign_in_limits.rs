//! How often a sign-in may be tried, decided before bcrypt has any work with it.
//!
//! - `login-address`: each address, whatever it tries (registrations count too).
//! - `login-account`: one account from one address. A successful sign-in clears it.
//! - `login-strangers`: one account from all addresses together that have never signed in to it. A thousand machines
//!   that guess one password are slowed by it; its owner, where they have signed in before, is not, and nobody can lock
//!   them out there.
//! - `own-password`: one user's attempts at their own current password, against whoever finds a browser left open.
//!
//! An unknown name is limited like any other, so a limit does not reveal which names exist.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{Error, FromRequest, HttpRequest};
use data_encoding::HEXLOWER;
use futures_util::future::LocalBoxFuture;
use sha2::{Digest, Sha256};

use crate::auth::password::HashingFor;
use crate::config::{LimitsConfig, WebConfig};
use crate::http::client_address::ClientAddress;
use crate::http::error::ApiError;
use crate::http::holder::Holder;
use crate::http::rate_limit_headers::{RateLimitPolicy, TokenBucket};
use crate::ids::UserId;
use crate::rate_limit::{RateLimitStatuses, RateLimiter};

const MINUTE: Duration = Duration::from_secs(60);
const QUARTER_HOUR: Duration = Duration::from_secs(15 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// How long an address stays known to an account after a sign-in.
const KNOWN_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Marks an address from which somebody has signed in to an account.
const KNOWN: &str = "login-known";

/// The limits of this process; one limit is absent where its setting is 0.
pub struct SignInLimiter {
    rate_limiter: Data<RateLimiter>,
    of_address: Option<RateLimitPolicy>,
    of_account: Option<RateLimitPolicy>,
    of_strangers: Option<RateLimitPolicy>,
    of_own_password: Option<RateLimitPolicy>,
}

impl SignInLimiter {
    /// The configured limits, counted by `rate_limiter`.
    pub fn new(config: &LimitsConfig, rate_limiter: Data<RateLimiter>) -> Self {
        let per_quarter_hour = config.login_max_per_quarter_hour;
        Self {
            rate_limiter,
            of_address: RateLimitPolicy::new("login-address", config.login_address_max_per_minute, MINUTE),
            of_account: RateLimitPolicy::new("login-account", per_quarter_hour, QUARTER_HOUR),
            of_strangers: RateLimitPolicy::new("login-strangers", config.login_strangers_max_per_hour, HOUR),
            of_own_password: RateLimitPolicy::new("own-password", per_quarter_hour, QUARTER_HOUR),
        }
    }

    /// Counts a user's attempt at their own current password.
    pub async fn check_own_password(&self, user: UserId) -> Result<Attempt<'_>, ApiError> {
        let bucket = self.rate_limiter.bucket(self.of_own_password, &user.to_string());
        self.rate_limiter.take(bucket.as_slice()).await?;
        let hashing = HashingFor { holder: Holder::Caller(user.as_uuid()), is_known: true };
        Ok(Attempt { rate_limiter: &self.rate_limiter, bucket, account_and_address: None, hashing })
    }
}

/// The limits as they apply to one request: whose attempts are counted, and where the response's headers come from.
pub struct SignInLimits {
    limiter: Data<SignInLimiter>,
    address: ClientAddress,
    statuses: RateLimitStatuses,
}

impl FromRequest for SignInLimits {
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let parts = <(Data<SignInLimiter>, Data<WebConfig>, RateLimitStatuses)>::from_request(request, payload);
        let request = request.clone();
        Box::pin(async move {
            let (limiter, web, statuses) = parts.await?;
            Ok(Self { limiter, address: ClientAddress::of(request.head(), &web.trusted_proxies), statuses })
        })
    }
}

impl SignInLimits {
    /// Counts a sign-in or a registration of this address.
    pub async fn check_sign_in(&self) -> Result<(), ApiError> {
        let rate_limiter = &self.limiter.rate_limiter;
        self.take(rate_limiter.bucket(self.limiter.of_address, &self.address.to_string()), 1).await
    }

    /// For whom a password is hashed that is nobody's yet.
    pub fn hashing(&self) -> HashingFor {
        HashingFor { holder: Holder::Address(self.address.network()), is_known: false }
    }

    /// Counts a sign-in to an account, or to a name that nobody has.
    pub async fn check_account(&self, name: &str, account: Option<UserId>) -> Result<Attempt<'_>, ApiError> {
        let (limiter, rate_limiter) = (&self.limiter, &self.limiter.rate_limiter);
        let account = account.map_or_else(|| digest(name), |id| id.to_string());
        let account_and_address = format!("{account}:{}", self.address);
        let bucket = rate_limiter.bucket(limiter.of_account, &account_and_address);
        let is_known = rate_limiter.is_marked(KNOWN, &account_and_address).await;
        let strangers = rate_limiter.bucket(limiter.of_strangers, &account).filter(|_| !is_known);
        // Only the first is reported: the other would reveal to a neighbour that somebody has signed in from here.
        let reported = usize::from(bucket.is_some());
        self.take(bucket.clone().into_iter().chain(strangers), reported).await?;
        let hashing = HashingFor { is_known, ..self.hashing() };
        Ok(Attempt { rate_limiter, bucket, account_and_address: Some(account_and_address), hashing })
    }

    async fn take(&self, buckets: impl IntoIterator<Item = TokenBucket>, reported: usize) -> Result<(), ApiError> {
        let buckets: Vec<_> = buckets.into_iter().collect();
        let statuses = self.limiter.rate_limiter.take(&buckets).await?;
        self.statuses.extend(statuses.into_iter().take(reported));
        Ok(())
    }
}

/// An attempt at a password that is within the limits.
pub struct Attempt<'a> {
    rate_limiter: &'a RateLimiter,
    bucket: Option<TokenBucket>,
    /// The pair that a successful sign-in makes known.
    account_and_address: Option<String>,
    hashing: HashingFor,
}

impl Attempt<'_> {
    /// For whom the password is hashed.
    pub fn hashing(&self) -> HashingFor {
        self.hashing
    }

    /// The password was right: clears the failures before it, and makes the address known to the account.
    pub async fn succeeded(&self) {
        if let Some(bucket) = &self.bucket {
            self.rate_limiter.clear(bucket).await;
        }
        if let Some(account_and_address) = &self.account_and_address {
            self.rate_limiter.mark(KNOWN, account_and_address, KNOWN_FOR).await;
        }
    }
}

/// A digest, ignoring case as accounts do. Not the name itself: people type passwords into the wrong box.
fn digest(name: &str) -> String {
    let digest = Sha256::digest(name.to_lowercase());
    HEXLOWER.encode(digest.first_chunk::<16>().map_or(digest.as_slice(), |head| head.as_slice()))
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn a_name_is_counted_whatever_its_case_and_is_not_stored() {
        assert_eq!(digest("Ana"), digest("aNA"));
        assert_ne!(digest("ana"), digest("bob"));
        let (digest, name) = (digest("hunter22"), "hunter22");
        assert!(digest.len() == 32 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()) && !digest.contains(name));
    }
}
