//! Which sessions, credentials, devices and users no longer count, although their tokens have not expired.
//!
//! PostgreSQL holds the truth. Every replica keeps the unexpired subjects in memory and reads what is new each second,
//! so a check costs nothing and goes on working when the database is away. Redis, asked for people's requests, makes a
//! logout count on every replica at once.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::{ExpressionMethods, QueryDsl, QueryResult};
use diesel_async::AsyncPgConnection;
use pulso_shared::clock::Clock;
use pulso_shared::db::DbPool;
use pulso_shared::schema::revocations;
use uuid::Uuid;

use crate::error::ApiError;

/// How soon a revocation made elsewhere counts here at the latest (the contract says within 5 s).
const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// A transaction that began earlier may become visible later; each look reaches back this far.
const OVERLAP: TimeDelta = TimeDelta::seconds(30);

/// How often the set is read whole, so that it forgets what has expired.
const RELOAD_EVERY: TimeDelta = TimeDelta::minutes(10);

/// The revoked subjects, as this replica knows them.
#[derive(Clone, Default)]
pub struct Revocations(Arc<ArcSwap<HashSet<Uuid>>>);

impl Revocations {
    /// Whether `subject` no longer counts.
    #[must_use]
    pub fn contains(&self, subject: Uuid) -> bool {
        self.0.load().contains(&subject)
    }

    /// Makes subjects count no longer on this replica, now.
    pub fn add(&self, subjects: &[Uuid]) {
        if subjects.is_empty() {
            return;
        }
        self.0.rcu(|known| known.iter().chain(subjects).copied().collect::<HashSet<_>>());
    }

    /// Reads every unexpired revocation.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn load(&self, db: &DbPool, now: DateTime<Utc>) -> Result<(), ApiError> {
        let subjects = list_since(&mut *db.get().await?, DateTime::UNIX_EPOCH, now).await?;
        self.0.store(Arc::new(subjects.into_iter().collect()));
        Ok(())
    }

    /// Keeps the set fresh for ever.
    pub async fn keep_fresh(self, db: DbPool, clock: Clock) {
        let mut seen_until = DateTime::UNIX_EPOCH;
        let mut reload_at = clock.now();
        loop {
            let now = clock.now();
            let refreshed = if now >= reload_at {
                self.load(&db, now).await.map(|()| reload_at = now + RELOAD_EVERY)
            } else {
                self.read_new(&db, seen_until, now).await
            };
            match refreshed {
                Ok(()) => seen_until = now,
                Err(error) => tracing::warn!(cause = error.cause(), "revocations not refreshed: {error}"),
            }
            tokio::time::sleep(REFRESH_EVERY).await;
        }
    }

    async fn read_new(&self, db: &DbPool, seen_until: DateTime<Utc>, now: DateTime<Utc>) -> Result<(), ApiError> {
        let subjects = list_since(&mut *db.get().await?, seen_until - OVERLAP, now).await?;
        let unknown: Vec<_> = subjects.into_iter().filter(|subject| !self.contains(*subject)).collect();
        self.add(&unknown);
        Ok(())
    }
}

async fn list_since(
    connection: &mut AsyncPgConnection,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Uuid>> {
    // Imported here: in the whole file it would shadow `ArcSwap::load`.
    use diesel_async::RunQueryDsl;
    revocations::table
        .filter(revocations::revoked_at.ge(since))
        .filter(revocations::expires_at.gt(now))
        .select(revocations::subject)
        .load(connection)
        .await
}

/// Writes revocations, in the caller's transaction. Call [`Revocations::add`] and
/// [`crate::cache::Cache::mark_revoked`] once it has committed.
///
/// # Errors
/// The database's.
pub async fn insert(
    connection: &mut AsyncPgConnection,
    subjects: &[Uuid],
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> QueryResult<()> {
    use diesel_async::RunQueryDsl;
    let rows: Vec<_> = subjects
        .iter()
        .map(|subject| {
            (revocations::subject.eq(subject), revocations::revoked_at.eq(now), revocations::expires_at.eq(expires_at))
        })
        .collect();
    diesel::insert_into(revocations::table)
        .values(rows)
        .on_conflict(revocations::subject)
        .do_nothing()
        .execute(connection)
        .await
        .map(|_| ())
}
