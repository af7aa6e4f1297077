//! Brings the database's schema up to date. The migrations are in the binary; an advisory lock lets one of several
//! that start at once do the work while the others wait.

use diesel::sql_query;
use diesel::sql_types::BigInt;
use diesel_async::{AsyncConnection, AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use pulso_shared::config::DatabaseConfig;
use pulso_shared::locks::AdvisoryLock;
use secrecy::ExposeSecret;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../migrations");

/// Applies the migrations that are missing; one that fails leaves nothing behind.
pub async fn run(config: &DatabaseConfig) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut connection = AsyncPgConnection::establish(config.database_url.expose_secret()).await?;
    let lock = sql_query("SELECT pg_advisory_lock($1)").bind::<BigInt, _>(AdvisoryLock::Migrate.id());
    lock.execute(&mut connection).await?;
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
