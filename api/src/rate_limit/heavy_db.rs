//! Connections for heavy queries: lists, searches, history, aggregation, export, bulk import. An account may run a few at
//! once, and all accounts together three quarters of the pool; the rest is for what is found by its key.
//!
//! ```text
//!  handler ─▶ HeavyDb::run ─▶ place in the account's queue ─▶ turn of the account ─▶ permit of all ─▶ connection ─▶ query
//!                                  full: 429                     too long: 429         too long: 503       hung up: cancelled
//! ```
//!
//! A permit is held while a query runs, not while a client takes the response: a stalled reader holds none.

use std::future::{Ready, ready};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use diesel_async::AsyncPgConnection;
use metrics::{Counter, counter};
use moka::future::Cache;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::auth::Auth;
use crate::auth::tokens::Subject;
use crate::db::{ACQUIRE_TIMEOUT, CancelOnDrop, DbPool};
use crate::http::error::ApiError;
use crate::http::holder::Holder;
use crate::http::rate_limit_headers::{RateLimitExceeded, RateLimitPolicy};
use crate::ids::UserId;

/// The limit's name, as clients read it.
const LIMIT: &str = "concurrent-queries";
/// Queries of an account that may wait, for each that may run: a page that asks for many charts at once is served.
const WAITING_PER_RUNNING: usize = 4;
/// An account that has asked for nothing for this long is forgotten; no query takes so long.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(120);
/// Accounts remembered at a time.
const MAX_ACCOUNTS: u64 = 100_000;

/// The queries of one account.
struct Share {
    /// Those that run and those that wait.
    places: Arc<Semaphore>,
    /// Those that run.
    running: Arc<Semaphore>,
}

/// Permission for one query; given back when dropped.
type Permit = (OwnedSemaphorePermit, OwnedSemaphorePermit, OwnedSemaphorePermit);

/// The heavy queries of this process.
pub struct HeavyQueries {
    db: DbPool,
    runtime: Handle,
    per_account: RateLimitPolicy,
    in_all: Arc<Semaphore>,
    shares: Cache<Holder, Arc<Share>>,
    refused_of_account: Counter,
    refused_of_all: Counter,
}

impl HeavyQueries {
    /// For a pool of `pool_size` connections, of which an account takes `per_account` at most, and never all that heavy
    /// queries may take. To be built on the main runtime.
    pub fn new(db: DbPool, pool_size: usize, per_account: NonZeroU32) -> Self {
        let in_all = pool_size.saturating_sub(pool_size.div_ceil(4)).max(1);
        let most = u32::try_from(in_all.saturating_sub(1)).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        Self {
            db,
            runtime: Handle::current(),
            per_account: RateLimitPolicy { name: LIMIT, quota: per_account.min(most), window: Duration::from_secs(1) },
            in_all: Arc::new(Semaphore::new(in_all)),
            refused_of_account: refused("account"),
            refused_of_all: refused("all"),
            shares: Cache::builder().max_capacity(MAX_ACCOUNTS).time_to_idle(FORGOTTEN_AFTER).build(),
        }
    }

    async fn permit(&self, account: Holder) -> Result<Permit, ApiError> {
        let share = self.shares.get_with(account, async { Arc::new(self.new_share()) }).await;
        let place = share.places.clone().try_acquire_owned().map_err(|_| self.exceeded())?;
        let running = tokio::time::timeout(ACQUIRE_TIMEOUT, share.running.clone().acquire_owned()).await;
        let running = running.map_err(|_| self.exceeded())?.map_err(|closed| ApiError::Internal(Box::new(closed)))?;
        let one_of_all = tokio::time::timeout(ACQUIRE_TIMEOUT, self.in_all.clone().acquire_owned()).await;
        let one_of_all =
            one_of_all.map_err(|_| self.all_taken())?.map_err(|closed| ApiError::Internal(Box::new(closed)))?;
        Ok((place, running, one_of_all))
    }

    fn new_share(&self) -> Share {
        let running = usize::try_from(self.per_account.quota.get()).unwrap_or(usize::MAX);
        let places = running.saturating_add(running.saturating_mul(WAITING_PER_RUNNING));
        let semaphore = |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Share { places: semaphore(places), running: semaphore(running) }
    }

    fn exceeded(&self) -> ApiError {
        self.refused_of_account.increment(1);
        RateLimitExceeded { policy: self.per_account, retry_after: Duration::ZERO }.into()
    }

    fn all_taken(&self) -> ApiError {
        self.refused_of_all.increment(1);
        let cause = "heavy queries of many accounts take their whole share".into();
        ApiError::Unavailable { what: "The database", cause }
    }
}

fn refused(limit: &'static str) -> Counter {
    counter!("pulso_queries_refused_total", "limit" => limit)
}

/// What a handler runs its heavy queries on, in the name of whoever asks.
#[derive(Clone)]
pub struct HeavyDb {
    queries: Data<HeavyQueries>,
    account: Holder,
}

impl HeavyDb {
    /// The same for another account: the owner of the device that asks.
    pub fn in_the_name_of(self, account: Holder) -> Self {
        Self { account, ..self }
    }

    /// Runs `work` on a connection when it is this account's turn: 429 where too many of its queries wait, 503 where too
    /// many of all accounts do. Dropped before its end, `work` is cancelled in the database too.
    pub async fn run<T>(
        &self,
        work: impl AsyncFnOnce(&mut AsyncPgConnection) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let permit = self.queries.permit(self.account).await?;
        let connection = self.queries.db.get().await?;
        let mut running = CancelOnDrop::new(connection, permit, self.queries.runtime.clone());
        let result = match running.connection() {
            Some(connection) => work(connection).await,
            None => Err(ApiError::Internal("a connection is used after its end".into())),
        };
        running.finish();
        result
    }
}

impl FromRequest for HeavyDb {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    /// In the name of the user whom the token names, else of the address. Whether the token is still valid, the
    /// handler's caller asks.
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(heavy_db(request))
    }
}

fn heavy_db(request: &HttpRequest) -> Result<HeavyDb, ApiError> {
    let missing = || ApiError::Internal("the application has no heavy queries".into());
    let queries = request.app_data::<Data<HeavyQueries>>().ok_or_else(missing)?;
    let auth = request.app_data::<Data<Auth>>().ok_or_else(missing)?;
    let user = auth.claimed(request.head()).and_then(Subject::user);
    let account = Holder::new(user.map(UserId::as_uuid), request);
    Ok(HeavyDb { queries: queries.clone(), account })
}
