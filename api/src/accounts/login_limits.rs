//! How often a sign-in may be tried, decided before bcrypt has any work with it.
//!
//! - `login-address`: each address, whatever it tries (registrations count too).
//! - `login-account`: one account from one address. A sign-in that succeeds clears it.
//! - `login-strangers`: one account from all addresses together that have never signed in to it. A thousand machines
//!   that guess one password are slowed by it; its owner, where they have signed in before, is not, and nobody can lock
//!   them out there.
//!
//! - `own-password`: one user's tries at their own present password, for who has found a browser left open.
//!
//! A name that nobody has is limited like any other: nobody learns from a limit which names exist.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::time::Duration;

use crate::ids::UserId;
use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use sha2::{Digest, Sha256};

use crate::http::client_address::ClientAddress;
use crate::http::error::ApiError;
use crate::http::rate_limit_headers::{RateLimitPolicy, TokenBucket};
use crate::rate_limit::RateLimitStatuses;
use crate::state::AppState;

const MINUTE: Duration = Duration::from_secs(60);
const QUARTER_HOUR: Duration = Duration::from_secs(15 * 60);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// How long an address is known to an account after a sign-in.
const KNOWN_FOR: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// The mark of an address that an account has been signed in to from.
const KNOWN: &str = "login-known";

/// Whose attempts are counted, and where it is told how they stand.
pub struct LoginLimits {
    address: Option<ClientAddress>,
    standings: RateLimitStatuses,
}

impl FromRequest for LoginLimits {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let state = request.app_data::<Data<AppState>>();
        let address = state.map(|state| ClientAddress::of(request.head(), &state.web_config.trusted_proxies));
        let standings = RateLimitStatuses::from_request(request, payload).into_inner().unwrap_or_default();
        ready(Ok(Self { address, standings }))
    }
}

/// A try at a password that has been let in.
pub struct Attempt {
    own: Option<TokenBucket>,
    /// The account and the address in one, where an address is to be known from then on.
    whose: Option<String>,
}

/// Counts a user's try at their own password.
///
/// # Errors
/// 429.
pub async fn own_password(state: &AppState, user: UserId) -> Result<Attempt, ApiError> {
    let policy = RateLimitPolicy::new("own-password", state.config.limits.login_max_per_quarter_hour, QUARTER_HOUR);
    let own = state.rate_limiter.bucket(policy, &user.to_string());
    state.rate_limiter.take(own.as_slice()).await?;
    Ok(Attempt { own, whose: None })
}

impl LoginLimits {
    /// Counts a sign-in or a registration of this address.
    ///
    /// # Errors
    /// 429.
    pub async fn come_in(&self, state: &AppState) -> Result<(), ApiError> {
        let policy = RateLimitPolicy::new("login-address", state.config.limits.login_address_max_per_minute, MINUTE);
        self.take(state, state.rate_limiter.bucket(policy, &self.address()), 1).await
    }

    /// Counts a sign-in to an account, or to a name that nobody has.
    ///
    /// # Errors
    /// 429.
    pub async fn attempt(&self, state: &AppState, name: &str, account: Option<UserId>) -> Result<Attempt, ApiError> {
        let config = &state.config.limits;
        let account = account.map_or_else(|| digest(name), |id| id.to_string());
        let whose = format!("{account}:{}", self.address());
        let own = RateLimitPolicy::new("login-account", config.login_max_per_quarter_hour, QUARTER_HOUR);
        let own = state.rate_limiter.bucket(own, &whose);
        let strangers = RateLimitPolicy::new("login-strangers", config.login_strangers_max_per_hour, HOUR);
        let strangers = match state.rate_limiter.bucket(strangers, &account) {
            Some(bucket) if !state.rate_limiter.is_marked(KNOWN, &whose).await => Some(bucket),
            _ => None,
        };
        // Told is only the first: the other would tell a neighbour whether the account has been signed in to from here.
        let told = usize::from(own.is_some());
        self.take(state, own.clone().into_iter().chain(strangers), told).await?;
        Ok(Attempt { own, whose: Some(whose) })
    }

    async fn take(
        &self,
        state: &AppState,
        buckets: impl IntoIterator<Item = TokenBucket>,
        told: usize,
    ) -> Result<(), ApiError> {
        let buckets: Vec<_> = buckets.into_iter().collect();
        self.standings.extend(state.rate_limiter.take(&buckets).await?.into_iter().take(told));
        Ok(())
    }

    fn address(&self) -> String {
        self.address.map(|address| address.to_string()).unwrap_or_default()
    }
}

impl Attempt {
    /// The password was right: the failures before it count no longer, and the address is known from now on.
    pub async fn succeeded(&self, state: &AppState) {
        if let Some(own) = &self.own {
            state.rate_limiter.clear(own).await;
        }
        if let Some(whose) = &self.whose {
            state.rate_limiter.mark(KNOWN, whose, KNOWN_FOR).await;
        }
    }
}

/// As accounts compare names. Not the name itself: people type passwords into the wrong box.
fn digest(name: &str) -> String {
    Sha256::digest(name.to_lowercase()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
