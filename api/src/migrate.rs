//! Brings the database's schema up to date. The migrations are in the binary; an advisory lock lets one of several
//! that start at once do the work while the others wait.

use std::time::Duration;

use diesel::dsl::sql;
use diesel::migration::{Migration, MigrationSource};
use diesel::pg::Pg;
use diesel::sql_types::{Array, BigInt, Bool, Text};
use diesel::{OptionalExtension, QueryableByName, sql_query};
use diesel_async::{AsyncConnection, AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use pulso_shared::config::DatabaseConfig;
use pulso_shared::locks::AdvisoryLock;
use secrecy::ExposeSecret;

use crate::tasks;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations");

/// A migration that waits for a table makes everybody who comes after it wait behind it.
const LOCK_TIMEOUT: &str = "SET lock_timeout = '200ms'";
/// PostgreSQL's words; diesel hands on nothing else of the error.
const LOCK_TIMED_OUT: &str = "due to lock timeout";
/// A quarter of an hour in all: long reads and backups end.
const ATTEMPTS: u32 = 900;
const PAUSE: Duration = Duration::from_secs(1);

type MigrationError = Box<dyn std::error::Error + Send + Sync>;

/// A migration's version.
#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
}

/// The first migration that the database lacks. One that only a newer program knows is no fault: migrations come before
/// the program that needs them.
pub async fn first_missing(connection: &mut AsyncPgConnection) -> Result<Option<String>, MigrationError> {
    let needed = versions()?;
    let has_any = diesel::select(sql::<Bool>("to_regclass('__diesel_schema_migrations') IS NOT NULL"));
    if !has_any.get_result(connection).await? {
        return Ok(needed.into_iter().min());
    }
    let missing = sql_query(
        "SELECT version FROM unnest($1) AS needed (version)
         WHERE version NOT IN (SELECT version FROM __diesel_schema_migrations) ORDER BY version LIMIT 1",
    );
    let missing: Option<Version> = missing.bind::<Array<Text>, _>(needed).get_result(connection).await.optional()?;
    Ok(missing.map(|missing| missing.version))
}

/// The versions of this program's migrations.
fn versions() -> Result<Vec<String>, MigrationError> {
    let migrations: Vec<Box<dyn Migration<Pg>>> = MIGRATIONS.migrations()?;
    Ok(migrations.iter().map(|migration| migration.name().version().to_string()).collect())
}

/// Applies the migrations that are missing, then does what SQL cannot.
pub async fn run(config: &DatabaseConfig) -> Result<(), MigrationError> {
    let url = config.database_url.expose_secret();
    apply(url).await?;
    let folded_anew = tasks::fold_titles(&mut AsyncPgConnection::establish(url).await?).await?;
    tracing::info!(tasks = folded_anew, "titles folded anew");
    Ok(())
}

/// Applies migrations; one that fails leaves nothing behind.
async fn apply(url: &str) -> Result<(), MigrationError> {
    let mut connection = AsyncPgConnection::establish(url).await?;
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
