//! A database with an API and a worker on it.

use std::path::{Path, PathBuf};

use pulso_simulator::account::{Account, AccountArgs};
use pulso_simulator::device_token::exchange_all;
use pulso_simulator::enrolment::enrol;
use pulso_simulator::screen::Screen;
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use tokio_postgres::error::SqlState;
use ulid::Ulid;

use super::config::ReadConfig;
use crate::Failure;
use crate::database::{Database, connect, with_database};
use crate::http::Scrape;
use crate::queues;
use crate::service::{Recipe, Service, free_port};

/// The database that stays.
const LARGE: &str = "pulso_bench_read";
/// The accounts live in a database of the benchmark's own, on a server of its own.
pub const PASSWORD: &str = "only for measuring";
/// Devices that send in the ingest comparisons.
const SENDERS: usize = 1_000;

/// What was opened.
#[derive(Default)]
pub struct Sites {
    /// With the data set.
    pub large: Option<Site>,
    /// Without.
    pub empty: Option<Site>,
}

impl Sites {
    /// Stops everything, and removes what does not stay.
    pub async fn close(self, screen: &Screen) {
        for site in [self.large, self.empty].into_iter().flatten() {
            site.close(screen).await;
        }
    }
}

/// A database, queues and processes.
pub struct Site {
    /// Leads to the database.
    pub database_url: SecretString,
    /// The senders' access tokens.
    pub tokens: Vec<String>,
    temporary: Option<Database>,
    name: String,
    environment: Vec<(&'static str, String)>,
    worker_program: PathBuf,
    amqp_url: SecretString,
    logs: PathBuf,
    keep_logs: bool,
    api: Service,
    worker: Option<Service>,
    api_url: String,
    worker_url: String,
    client: Client,
}

impl Site {
    /// On the database that stays, which is made where there is none.
    pub async fn large(config: &ReadConfig, screen: &Screen) -> Result<Self, Failure> {
        let server = connect(&config.database_url).await?;
        if config.fresh {
            server.batch_execute(&format!("DROP DATABASE IF EXISTS {LARGE} WITH (FORCE)")).await?;
        }
        match server.batch_execute(&format!("CREATE DATABASE {LARGE}")).await {
            Err(error) if error.code() != Some(&SqlState::DUPLICATE_DATABASE) => return Err(error.into()),
            Err(_) => screen.line(&format!("the database {LARGE} is there already (--fresh makes it anew)")),
            Ok(()) => {}
        }
        let url = with_database(config.database_url.expose_secret(), LARGE);
        Self::open(config, "large", url.into(), None).await
    }

    /// On a new database that goes.
    pub async fn empty(config: &ReadConfig, screen: &Screen) -> Result<Self, Failure> {
        screen.line("making an empty database to compare with");
        let name = format!("pulso_bench_empty_{}", Ulid::generate().to_string().to_lowercase());
        let database = Database::create(&config.database_url, &name).await?;
        Self::open(config, "empty", database.url.clone(), Some(database)).await
    }

    /// Migrates and starts the API. The worker comes later: it would make rollups of a history that is not there yet.
    async fn open(
        config: &ReadConfig,
        kind: &str,
        database_url: SecretString,
        temporary: Option<Database>,
    ) -> Result<Self, Failure> {
        let name = format!("pulso_bench_{kind}_{}", Ulid::generate().to_string().to_lowercase());
        let bin_dir = match &config.bin_dir {
            Some(bin_dir) => bin_dir.clone(),
            None => std::env::current_exe()?.parent().map(PathBuf::from).unwrap_or_default(),
        };
        let logs = config.logs.as_ref().map_or_else(|| std::env::temp_dir().join(&name), |logs| logs.join(kind));
        std::fs::create_dir_all(&logs)?;
        let (api_address, worker_address) =
            (format!("127.0.0.1:{}", free_port()?), format!("127.0.0.1:{}", free_port()?));
        let environment = environment(config, &database_url, &name, [&api_address, &worker_address]);
        let program = bin_dir.join("pulso-api");
        Service::run(&recipe("migration", &program, &["migrate"], &environment, &logs)).await?;
        let mut api = Service::start(&recipe("api", &program, &["serve"], &environment, &logs))?;
        let api_url = format!("http://{api_address}");
        api.ready(&format!("{api_url}/readyz")).await?;
        Ok(Self {
            database_url,
            tokens: Vec::new(),
            temporary,
            name,
            environment,
            worker_program: bin_dir.join("pulso-worker"),
            amqp_url: config.amqp_url.clone(),
            logs,
            keep_logs: config.logs.is_some(),
            api,
            worker: None,
            api_url,
            worker_url: format!("http://{worker_address}"),
            client: crate::http::client()?,
        })
    }

    /// Starts the worker.
    pub async fn start_worker(&mut self) -> Result<(), Failure> {
        let recipe = recipe("worker", &self.worker_program, &["run"], &self.environment, &self.logs);
        let mut worker = Service::start(&recipe)?;
        worker.ready(&format!("{}/readyz", self.worker_url)).await?;
        self.worker = Some(worker);
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

    /// Fails when something we started has ended.
    pub fn check(&mut self) -> Result<(), Failure> {
        self.api.check()?;
        self.worker.as_mut().map_or(Ok(()), Service::check)
    }

    /// Rows that the worker has brought to the database in its life: new ones, and those that were there already.
    pub async fn stored(&self) -> Result<f64, Failure> {
        let metrics = Scrape::of(&self.client, &format!("{}/metrics", self.worker_url)).await?;
        Ok(metrics.value("pulso_stored_total") + metrics.value("pulso_duplicates_total"))
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
            let _ = std::fs::remove_dir_all(&self.logs);
        }
    }
}

/// What the API and the worker are told.
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
        // As long as any run: nobody signs in twice.
        ("ACCESS_TOKEN_TTL_S", "86400".to_owned()),
        ("INGEST_MAX_HZ", "0".to_owned()),
        ("BIND_ADDRESS", api_address.clone()),
        ("OPS_ADDRESS", worker_address.clone()),
    ]
}

fn recipe<'a>(
    name: &'static str,
    program: &'a Path,
    args: &'a [&'a str],
    environment: &'a [(&'static str, String)],
    logs: &'a Path,
) -> Recipe<'a> {
    Recipe { name, program, args, env: environment, logs, cpus: None }
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
