//! Revoked sessions, credentials, devices and users, whose tokens have not expired.
//!
//! PostgreSQL holds the truth. Every replica keeps the unexpired subjects in memory and reads what is new each second,
//! so a check costs nothing and goes on working when the database is unavailable. Redis, asked for people's requests, makes a
//! logout count on every replica at once.
//!
//! A row may be dated ahead (a replaced secret lives on for a while): it counts from `revoked_at`, and each look takes
//! in what has come due since the one before.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::db::DbPool;
use crate::schema::revocations;
use arc_swap::ArcSwap;
use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{self, Array, Timestamptz};
use diesel::{ExpressionMethods, QueryDsl, QueryResult};
use diesel_async::AsyncPgConnection;
use pulso_shared::clock::Clock;
use pulso_shared::ids::Uuid;

use crate::http::error::ApiError;
use crate::redis::RedisClient;

/// How soon a revocation made elsewhere counts here at the latest (the contract says within 5 s).
const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// A transaction that began earlier may become visible later; each look reaches back this far.
const OVERLAP: TimeDelta = TimeDelta::seconds(30);

/// How often the set is read whole, so that it forgets what has expired.
const RELOAD_EVERY: TimeDelta = TimeDelta::minutes(10);

/// A revocation outlives the tokens it is for by this much: one may be issued at the very moment, and clocks differ.
const MARGIN: Duration = Duration::from_secs(60);

/// How long a revocation has to be kept, given the life of the tokens it is for.
pub fn keep_for(token_ttl: Duration) -> Duration {
    token_ttl.saturating_add(MARGIN)
}

/// The revoked subjects, as this replica knows them.
#[derive(Clone, Default)]
pub struct Revocations(Arc<ArcSwap<HashSet<Uuid>>>);

impl Revocations {
    /// Whether `subject` is revoked.
    pub fn contains(&self, subject: Uuid) -> bool {
        self.0.load().contains(&subject)
    }

    /// Revokes subjects on this replica, now.
    pub fn add(&self, subjects: &[Uuid]) {
        if subjects.is_empty() {
            return;
        }
        self.0.rcu(|known| known.iter().chain(subjects).copied().collect::<HashSet<_>>());
    }

    /// Publishes revocations that have been committed: they count here now, and on every other replica as soon as it
    /// asks Redis. A replica that cannot reads them from the database.
    pub async fn announce(&self, cache: &RedisClient, subjects: &[Uuid], keep_for: Duration) {
        self.add(subjects);
        if let Err(error) = cache.mark_revoked(subjects, keep_for).await {
            tracing::warn!(%error, "revocation not written to Redis; the other replicas read it from the database");
        }
    }

    /// Reads every unexpired revocation, and has the database forget the others.
    pub async fn load(&self, db: &DbPool, now: DateTime<Utc>) -> Result<(), ApiError> {
        let before = self.0.load_full();
        let mut connection = db.get().await?;
        delete_expired(&mut connection, now).await?;
        let subjects: HashSet<_> = list_since(&mut connection, DateTime::UNIX_EPOCH, now).await?.into_iter().collect();
        // What was revoked here meanwhile may be missing in the answer.
        self.0.rcu(|known| known.difference(&before).chain(&subjects).copied().collect::<HashSet<_>>());
        Ok(())
    }

    /// Keeps the set fresh for ever.
    pub async fn keep_fresh(self, db: DbPool, clock: Clock) {
        let mut seen_until = DateTime::UNIX_EPOCH;
        let mut reload_at = clock.now();
        loop {
            let now = clock.now();
            if now >= reload_at {
                match self.load(&db, now).await {
                    Ok(()) => (reload_at, seen_until) = (now + RELOAD_EVERY, now),
                    Err(error) => tracing::warn!(cause = error.cause(), "revocations not read anew: {error}"),
                }
            }
            // Also where all of them could not be read: the new ones are few.
            match self.read_new(&db, seen_until, now).await {
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

async fn delete_expired(connection: &mut AsyncPgConnection, now: DateTime<Utc>) -> QueryResult<usize> {
    use diesel_async::RunQueryDsl;
    diesel::delete(revocations::table.filter(revocations::expires_at.le(now))).execute(connection).await
}

async fn list_since(
    connection: &mut AsyncPgConnection,
    since: DateTime<Utc>,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Uuid>> {
    // Imported here: in the whole file it would shadow `ArcSwap::load`.
    use diesel_async::RunQueryDsl;
    revocations::table
        .filter(revocations::revoked_at.between(since, now))
        .filter(revocations::expires_at.gt(now))
        .select(revocations::subject)
        .load(connection)
        .await
}

/// Writes revocations that count from `revoked_at`, in the caller's transaction; one dated ahead is brought forward.
/// Call [`Revocations::announce`] once it has committed.
pub async fn insert(
    connection: &mut AsyncPgConnection,
    subjects: &[Uuid],
    revoked_at: DateTime<Utc>,
    keep_for: Duration,
) -> QueryResult<()> {
    use diesel_async::RunQueryDsl;
    diesel::sql_query(include_str!("insert_revocations.sql"))
        .bind::<Array<sql_types::Uuid>, _>(subjects)
        .bind::<Timestamptz, _>(revoked_at)
        .bind::<Timestamptz, _>(revoked_at + keep_for)
        .execute(connection)
        .await
        .map(|_| ())
}
