//! Brings the database's schema up to date. The migrations are in the binary; an advisory lock lets one of several
//! that start at once do the work while the others wait.

use diesel::sql_query;
use diesel_async::{AsyncConnection, AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use pulso_shared::config::DatabaseConfig;
use secrecy::ExposeSecret;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations");

/// Identifies our lock among the database's advisory locks ("pulso" in ASCII).
const LOCK: &str = "SELECT pg_advisory_lock(482872390511)";

/// Runs what has not run yet.
///
/// # Errors
/// When the database is away or a migration fails; a failed one leaves nothing behind.
pub async fn run(config: &DatabaseConfig) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut connection = AsyncPgConnection::establish(config.database_url.expose_secret()).await?;
    sql_query(LOCK).execute(&mut connection).await?;
    // The lock ends with the connection.
    tokio::task::spawn_blocking(move || {
        let mut harness = AsyncMigrationHarness::new(connection);
        for version in harness.run_pending_migrations(MIGRATIONS)? {
            tracing::info!(%version, "migrated");
        }
        tracing::info!("the schema is up to date");
        Ok(())
    })
    .await?
}
