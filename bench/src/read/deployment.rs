//! A database with an API and a worker.

use pulso_simulator::account::{Account, AccountArgs};
use pulso_simulator::device_token::exchange_all;
use pulso_simulator::enrolment::enrol;
use pulso_simulator::screen::Screen;
use pulso_testkit::{Client, Failure, RunningProgram, free_port};
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::error::SqlState;
use ulid::Ulid;

use super::config::ReadConfig;
use crate::database::{Database, connect, with_database};
use crate::launcher::Launcher;
use crate::metrics_page::{self, MetricsPage};
use crate::queues;

/// The database that is kept.
const LARGE: &str = "pulso_bench_read";
/// Not secret: the accounts are in the benchmark's own database, on a server of its own.
const PASSWORD: &str = "only for measuring";
/// Devices that send in the ingest comparisons.
const SENDERS: usize = 1_000;

/// The deployments that have been started.
#[derive(Default)]
pub struct Deployments {
    /// With the data set.
    pub large: Option<Deployment>,
    /// Without.
    pub empty: Option<Deployment>,
}

impl Deployments {
    /// Stops everything, and removes what is not kept.
    pub async fn close(self, screen: &Screen) {
        for deployment in [self.large, self.empty].into_iter().flatten() {
            deployment.close(screen).await;
        }
    }
}

/// A database, queues and processes.
pub struct Deployment {
    /// The database's URL.
    pub database_url: SecretString,
    /// The senders' access tokens.
    pub tokens: Vec<String>,
    temporary: Option<Database>,
    name: String,
    launcher: Launcher,
    amqp_url: SecretString,
    keep_logs: bool,
    api: RunningProgram,
    worker: Option<RunningProgram>,
    api_url: String,
    worker_client: Client,
}

impl Deployment {
    /// On the database that is kept, which is created where there is none.
    pub async fn large(config: &ReadConfig, screen: &Screen) -> Result<Self, Failure> {
        let server = connect(&config.database_url).await?;
        if config.fresh {
            server.batch_execute(&format!("DROP DATABASE IF EXISTS {LARGE} WITH (FORCE)")).await?;
        }
        match server.batch_execute(&format!("CREATE DATABASE {LARGE}")).await {
            Err(error) if error.code() != Some(&SqlState::DUPLICATE_DATABASE) => return Err(error.into()),
            Err(_) => screen.line(&format!("the database {LARGE} is there already (--fresh creates it again)")),
            Ok(()) => {}
        }
        let url = with_database(config.database_url.expose_secret(), LARGE);
        Self::open(config, "large", url.into(), None).await
    }

    /// On a new database that is removed at the end.
    pub async fn empty(config: &ReadConfig, screen: &Screen) -> Result<Self, Failure> {
        screen.line("creating an empty database to compare with");
        let name = format!("pulso_bench_empty_{}", Ulid::generate().to_string().to_lowercase());
        let database = Database::create(&config.database_url, &name).await?;
        Self::open(config, "empty", database.url.clone(), Some(database)).await
    }

    /// Migrates and starts the API. The worker is started later: it would compute rollups of a history that is not loaded yet.
    async fn open(
        config: &ReadConfig,
        kind: &str,
        database_url: SecretString,
        temporary: Option<Database>,
    ) -> Result<Self, Failure> {
        let name = format!("pulso_bench_{kind}_{}", Ulid::generate().to_string().to_lowercase());
        let logs = config.logs.as_ref().map_or_else(|| std::env::temp_dir().join(&name), |logs| logs.join(kind));
        let (api_address, worker_address) =
            (format!("127.0.0.1:{}", free_port()?), format!("127.0.0.1:{}", free_port()?));
        let environment = environment(config, &database_url, &name, [&api_address, &worker_address]);
        let launcher = Launcher::new(config.bin_dir.as_deref(), environment, logs)?;
        launcher.migrate().await?;
        let api_url = format!("http://{api_address}");
        let api =
            launcher.program("api", "pulso-api", &["serve"], None).start_ready(&format!("{api_url}/readyz")).await?;
        Ok(Self {
            database_url,
            tokens: Vec::new(),
            temporary,
            name,
            launcher,
            amqp_url: config.amqp_url.clone(),
            keep_logs: config.logs.is_some(),
            api,
            worker: None,
            api_url,
            worker_client: metrics_page::client(format!("http://{worker_address}"))?,
        })
    }

    /// Starts the worker.
    pub async fn start_worker(&mut self) -> Result<(), Failure> {
        let ready_url = format!("{}/readyz", self.worker_client.base());
        let worker = self.launcher.program("worker", "pulso-worker", &["run"], None);
        self.worker = Some(worker.start_ready(&ready_url).await?);
        Ok(())
    }

    /// Registers the devices that send in the comparisons, and gets each a token.
    pub async fn enrol(&mut self, screen: &Screen) -> Result<(), Failure> {
        let account = sign_in(&self.api_url, "sender").await?;
        let devices = enrol(&account, "sender", SENDERS, screen).await?;
        self.tokens = exchange_all(&account.client, &devices).await?;
        Ok(())
    }

    /// The API's address.
    pub fn api_url(&self) -> &str {
        &self.api_url
    }

    /// The API's process.
    pub fn api_pid(&self) -> u32 {
        self.api.pid()
    }

    /// Fails when a program has ended.
    pub fn check(&mut self) -> Result<(), Failure> {
        self.api.check()?;
        self.worker.as_mut().map_or(Ok(()), RunningProgram::check)
    }

    /// Items that the worker has stored since its start: as new rows, and in rows that were there.
    pub async fn stored(&self) -> Result<f64, Failure> {
        let metrics = MetricsPage::of(&self.worker_client).await?;
        let counters = ["pulso_stored_total", "pulso_merged_total", "pulso_duplicates_total"];
        Ok(counters.into_iter().map(|counter| metrics.value(counter)).sum())
    }

    async fn close(self, screen: &Screen) {
        if let Some(worker) = self.worker {
            worker.stop().await;
        }
        self.api.stop().await;
        if let Err(failure) = queues::remove(&self.amqp_url, &self.name).await {
            screen.line(&format!("{}.* could not be deleted from RabbitMQ: {failure}", self.name));
        }
        if let Some(database) = self.temporary
            && let Err(failure) = database.remove().await
        {
            screen.line(&format!("a database could not be dropped: {failure}"));
        }
        if !self.keep_logs {
            let _ = std::fs::remove_dir_all(self.launcher.log_folder());
        }
    }
}

/// The settings of the API and the worker.
fn environment(
    config: &ReadConfig,
    database_url: &SecretString,
    name: &str,
    [api_address, worker_address]: [&String; 2],
) -> Vec<(&'static str, String)> {
    vec![
        ("DATABASE_URL", database_url.expose_secret().to_owned()),
        ("AMQP_URL", config.amqp_url.expose_secret().to_owned()),
        ("REDIS_URL", config.redis_url.expose_secret().to_owned()),
        ("QUEUE_PREFIX", name.to_owned()),
        // 160 random bits.
        ("JWT_SECRET", format!("{}{}", Ulid::generate(), Ulid::generate())),
        // Longer than any run: each account signs in once.
        ("ACCESS_TOKEN_TTL_S", "86400".to_owned()),
        ("INGEST_MAX_HZ", "0".to_owned()),
        ("BIND_ADDRESS", api_address.clone()),
        ("OPS_ADDRESS", worker_address.clone()),
    ]
}

/// Signs in as a user of the benchmark, who is registered where there is none.
pub async fn sign_in(url: &str, username: &str) -> Result<Account, Failure> {
    let args = AccountArgs {
        url: url.to_owned(),
        username: format!("bench-{username}"),
        password: PASSWORD.to_owned().into(),
        sign_up: true,
    };
    Ok(Account::sign_in(&args).await?)
}
