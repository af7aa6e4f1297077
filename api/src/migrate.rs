//! Brings the database's schema up to date. The migrations are in the binary; an advisory lock lets one of several
//! that start at once do the work while the others wait.

use std::time::Duration;

use diesel::sql_query;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncConnection, AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use pulso_shared::config::DatabaseConfig;
use pulso_shared::locks::AdvisoryLock;
use secrecy::ExposeSecret;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations");

/// A migration that waits for a table makes everybody who comes after it wait behind it.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '200ms'";
/// PostgreSQL's words; diesel hands on nothing else of the error.
const LOCK_TIMED_OUT: &str = "due to lock timeout";
/// A quarter of an hour in all: long reads and backups end.
const ATTEMPTS: u32 = 900;
const PAUSE: Duration = Duration::from_secs(1);

type MigrationError = Box<dyn std::error::Error + Send + Sync>;

/// Applies the migrations that are missing; one that fails leaves nothing behind.
pub async fn run(config: &DatabaseConfig) -> Result<(), MigrationError> {
    let mut connection = AsyncPgConnection::establish(config.database_url.expose_secret()).await?;
    let lock = sql_query("SELECT pg_advisory_lock($1)").bind::<BigInt, _>(AdvisoryLock::Migrate.id());
    lock.execute(&mut connection).await?;
    sql_query(LOCK_TIMEOUT).execute(&mut connection).await?;
    // The lock ends with the connection.
    tokio::task::spawn_blocking(move || {
        let mut harness = AsyncMigrationHarness::new(connection);
        for _ in 1..ATTEMPTS {
            match apply_pending(&mut harness) {
                Err(error) if error.to_string().contains(LOCK_TIMED_OUT) => {
                    tracing::info!("a table is in use; trying again");
                    std::thread::sleep(PAUSE);
                }
                decided => return decided,
            }
        }
        apply_pending(&mut harness)
    })
    .await?
}

fn apply_pending(harness: &mut AsyncMigrationHarness<AsyncPgConnection>) -> Result<(), MigrationError> {
    for version in harness.run_pending_migrations(MIGRATIONS)? {
        tracing::info!(%version, "migrated");
    }
    tracing::info!("the schema is up to date");
    Ok(())
}
