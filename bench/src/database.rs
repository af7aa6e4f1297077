//! The database of one run, and the counting of its rows.

use pulso_testkit::Failure;
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, NoTls};

/// Counting must use only our own backend, whose CPU time is subtracted from the database's.
const SESSION: &str = "SET max_parallel_workers_per_gather = 0; SET jit = off; SET application_name = 'pulso-bench'";

/// A database of one run, or a schema where the user may not create a database.
pub struct Database {
    given: SecretString,
    kind: Kind,
    name: String,
    /// Its URL.
    pub url: SecretString,
}

#[derive(Clone, Copy)]
enum Kind {
    Database,
    Schema,
}

impl Database {
    /// Creates it.
    pub async fn create(given: &SecretString, name: &str) -> Result<Self, Failure> {
        let client = connect(given).await?;
        let kind = match client.batch_execute(&format!("CREATE DATABASE {name}")).await {
            Ok(()) => Kind::Database,
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                client.batch_execute(&format!("CREATE SCHEMA {name}")).await?;
                Kind::Schema
            }
            Err(error) => return Err(error.into()),
        };
        let url = match kind {
            Kind::Database => with_database(given.expose_secret(), name),
            Kind::Schema => with_schema(given.expose_secret(), name),
        };
        Ok(Self { given: given.clone(), kind, name: name.to_owned(), url: url.into() })
    }

    /// Removes it with everything in it.
    pub async fn remove(&self) -> Result<(), Failure> {
        let (client, name) = (connect(&self.given).await?, &self.name);
        let dropped = match self.kind {
            Kind::Database => client.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await,
            Kind::Schema => client.batch_execute(&format!("DROP SCHEMA {name} CASCADE")).await,
        };
        match dropped {
            // FORCE may not end an autovacuum worker, which is the superuser's; without FORCE, PostgreSQL ends it.
            Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                Ok(client.batch_execute(&format!("DROP DATABASE {name}")).await?)
            }
            done => Ok(done?),
        }
    }
}

/// A connection that counts rows, and whose CPU time can be subtracted.
pub struct Counter {
    client: Client,
    /// The backend's process.
    pub pid: u32,
}

impl Counter {
    /// Connects.
    pub async fn open(url: &SecretString) -> Result<Self, Failure> {
        let client = connect(url).await?;
        client.batch_execute(SESSION).await?;
        let pid: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
        Ok(Self { client, pid: u32::try_from(pid)? })
    }

    /// Heartbeats committed so far.
    pub async fn heartbeats(&self) -> Result<u64, Failure> {
        let count: i64 = self.client.query_one("SELECT count(*) FROM heartbeats", &[]).await?.get(0);
        Ok(u64::try_from(count)?)
    }
}

/// Connects.
pub async fn connect(url: &SecretString) -> Result<Client, Failure> {
    let connected = tokio_postgres::connect(url.expose_secret(), NoTls).await;
    let (client, connection) = connected.map_err(|error| format!("cannot connect to the database: {error}"))?;
    // Ends with the client; its error is the client's too.
    tokio::spawn(connection);
    Ok(client)
}

/// The same server's database of that name.
pub fn with_database(url: &str, name: &str) -> String {
    let (address, options) = url.split_once('?').map_or((url, None), |(address, options)| (address, Some(options)));
    let server = match address.rsplit_once('/') {
        Some((server, _)) if !server.ends_with('/') => server,
        _ => address,
    };
    options.map_or_else(|| format!("{server}/{name}"), |options| format!("{server}/{name}?{options}"))
}

fn with_schema(url: &str, name: &str) -> String {
    let glue = if url.contains('?') { '&' } else { '?' };
    format!("{url}{glue}options=-csearch_path%3D{name}")
}

#[cfg(test)]
mod tests {
    use super::{with_database, with_schema};

    #[test]
    fn a_url_is_turned_to_another_database() {
        assert_eq!(with_database("postgres://u:p@h:1/pulso", "b"), "postgres://u:p@h:1/b");
        assert_eq!(with_database("postgres://u:p@h:1/pulso?a=b", "b"), "postgres://u:p@h:1/b?a=b");
        assert_eq!(with_database("postgres://u:p@h:1", "b"), "postgres://u:p@h:1/b");
    }

    #[test]
    fn or_to_a_schema() {
        assert_eq!(with_schema("postgres://h/d", "b"), "postgres://h/d?options=-csearch_path%3Db");
        assert_eq!(with_schema("postgres://h/d?x=y", "b"), "postgres://h/d?x=y&options=-csearch_path%3Db");
    }
}
