//! A test's own database, cloned from a template that is migrated once.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says where"
)]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::Duration;

use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Row};
use ulid::Ulid;

use crate::process::binary;
use crate::program::Program;
use crate::test_servers::server_url;

/// Held while the template is made: tests run side by side, in processes of their own.
const TEMPLATE_LOCK: &str = "SELECT pg_advisory_lock(482872390599)";

const DROP_RETRY_DELAY: Duration = Duration::from_millis(100);

/// A migrated, empty database, and a connection to it.
pub struct Database {
    /// Its URL.
    pub url: String,
    name: String,
    client: Client,
}

impl Database {
    /// Creates one.
    pub async fn create() -> Self {
        let server = server_url("TEST_DATABASE_URL");
        let admin = connect(&server).await;
        let template = ensure_template(&admin, &server).await;
        let name = format!("test_{}", Ulid::generate().to_string().to_lowercase());
        admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await.unwrap();
        let url = with_database(&server, &name);
        let client = connect(&url).await;
        Self { url, name, client }
    }

    /// Runs SQL.
    pub async fn execute(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }

    /// Runs a query.
    pub async fn query(&self, sql: &str, parameters: &[&(dyn ToSql + Sync)]) -> Vec<Row> {
        self.client.query(sql, parameters).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
    }

    /// Runs a query whose answer is one number.
    pub async fn count(&self, sql: &str) -> i64 {
        self.query(sql, &[]).await[0].get(0)
    }

    /// Drops it.
    pub async fn drop(self) {
        drop(self.client);
        let admin = connect(&server_url("TEST_DATABASE_URL")).await;
        while let Err(error) = admin.batch_execute(&format!("DROP DATABASE {} WITH (FORCE)", self.name)).await {
            // FORCE may not end an autovacuum worker, which is the superuser's; it ends by itself.
            assert_eq!(error.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE), "{error:?}");
            tokio::time::sleep(DROP_RETRY_DELAY).await;
        }
    }
}

async fn ensure_template(admin: &Client, server: &str) -> String {
    let name = format!("template_{:016x}", migrations_hash());
    admin.batch_execute(TEMPLATE_LOCK).await.unwrap();
    let exists = !admin.query("SELECT 1 FROM pg_database WHERE datname = $1", &[&name]).await.unwrap().is_empty();
    if !exists {
        let making = format!("{name}_making");
        admin.batch_execute(&format!("DROP DATABASE IF EXISTS {making}")).await.unwrap();
        admin.batch_execute(&format!("CREATE DATABASE {making}")).await.unwrap();
        let migration = Program {
            name: "pulso-api".to_owned(),
            executable: binary("pulso-api"),
            arguments: vec!["migrate".to_owned()],
            environment: vec![("DATABASE_URL".to_owned(), with_database(server, &making))],
            ..Program::default()
        };
        migration.output().await.unwrap_or_else(|failure| panic!("{failure}"));
        admin.batch_execute(&format!("ALTER DATABASE {making} RENAME TO {name}")).await.unwrap();
    }
    admin.batch_execute("SELECT pg_advisory_unlock_all()").await.unwrap();
    name
}

/// Names the template: other migrations need another one.
fn migrations_hash() -> u64 {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path().join("up.sql")).collect();
    files.sort();
    let mut hasher = DefaultHasher::new();
    for file in files {
        std::fs::read(file).unwrap().hash(&mut hasher);
    }
    hasher.finish()
}

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

fn with_database(url: &str, name: &str) -> String {
    let (server, _) = url.rsplit_once('/').expect("a URL that ends in /database");
    format!("{server}/{name}")
}
