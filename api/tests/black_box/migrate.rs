//! `pulso-api migrate` beside a Pulso that is in use.

use pulso_testkit::{Process, eventually};

use crate::support::start_api;

/// A migration that indexes `devices`, and what undoes it.
const VERSION: &str = "20261125000026";
const DOWN: &str = include_str!("../../../migrations/2026-11-25-000026_index_devices_by_location/down.sql");
const INDEXES: &str = "SELECT count(*) FROM pg_class WHERE relname = 'devices_owner_id_location_idx'";

#[tokio::test]
async fn a_program_whose_tables_are_not_there_is_not_ready_and_says_which_migration_it_needs() {
    let pulso = start_api(vec![]).await;
    let database = async |state: &str| {
        eventually(&format!("the database is {state}"), async || {
            let readiness = pulso.client.get("/readyz").await;
            (readiness.body["database"] == state && readiness.is_success() == (state == "up")).then_some(())
        })
        .await;
    };
    database("up").await;
    pulso.database.execute("INSERT INTO __diesel_schema_migrations VALUES ('29990101000000', now())").await;
    database("up").await;
    pulso.database.execute(DOWN).await;
    pulso.database.execute(&format!("DELETE FROM __diesel_schema_migrations WHERE version = '{VERSION}'")).await;
    database("not_migrated").await;
    assert!(pulso.api.has_logged(&format!("migration {VERSION} is missing: run pulso-api migrate")));
    pulso.database.execute("ALTER TABLE __diesel_schema_migrations RENAME TO away").await;
    database("not_migrated").await;
    let _ = pulso.client.get("/readyz/ingest").await.expect(200);
    pulso.finish().await;
}

#[tokio::test]
async fn a_migration_that_waits_for_a_table_keeps_nobody_waiting_behind_it() {
    let pulso = start_api(vec![]).await;
    let user = pulso.client.new_user().await;
    pulso.database.execute(DOWN).await;
    let applied = format!("DELETE FROM __diesel_schema_migrations WHERE version = '{VERSION}'");
    pulso.database.execute(&applied).await;
    // As a backup or a long query does.
    pulso.database.execute("BEGIN; LOCK TABLE devices IN ROW EXCLUSIVE MODE").await;
    let url = ("DATABASE_URL".to_owned(), pulso.database.url.clone());
    let migrate = Process::start("pulso-api", &["migrate"], &[url]);
    for attempts in 1..=3 {
        eventually("the migration gives way", async || {
            (migrate.count_logged("a table is in use; trying again") >= attempts).then_some(())
        })
        .await;
        let _ = user.new_device().await;
    }
    assert_eq!(pulso.database.count(INDEXES).await, 0, "it is not done");
    pulso.database.execute("COMMIT").await;
    eventually("it is done", async || migrate.has_logged("the schema is up to date").then_some(())).await;
    assert_eq!(pulso.database.count(INDEXES).await, 1);
    pulso.finish().await;
}
