//! Everything a run makes on this machine, and takes away again.

use std::path::PathBuf;
use std::time::Duration;

use pulso_simulator::account::{Account, AccountArgs};
use pulso_simulator::device_token::exchange_all;
use pulso_simulator::enrolment::enrol;
use pulso_simulator::screen::Screen;
use secrecy::{ExposeSecret, SecretString};
use ulid::Ulid;

use crate::Failure;
use crate::config::BenchConfig;
use crate::database::{Counter, Database};
use crate::queues;
use crate::running::Running;
use crate::service::{Recipe, Service, free_port};

/// How long the removal may take: longer than the services take to stop.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(90);

/// A database, queues and processes of this run's own.
pub struct Site {
    name: String,
    amqp_url: SecretString,
    bin_dir: PathBuf,
    logs: PathBuf,
    keep_logs: bool,
    jwt_secret: String,
    /// The database.
    pub database: Database,
    running: Option<Running>,
}

impl Site {
    /// Makes the database; nothing runs yet.
    pub async fn new(config: &BenchConfig) -> Result<Self, Failure> {
        let name = format!("pulso_bench_{}", Ulid::generate().to_string().to_lowercase());
        let bin_dir = match &config.bin_dir {
            Some(bin_dir) => bin_dir.clone(),
            None => std::env::current_exe()?.parent().map(PathBuf::from).unwrap_or_default(),
        };
        let logs = config.logs.clone().unwrap_or_else(|| std::env::temp_dir().join(&name));
        Ok(Self {
            database: Database::create(&config.database_url, &name).await?,
            amqp_url: config.amqp_url.clone(),
            bin_dir,
            logs,
            keep_logs: config.logs.is_some(),
            // 160 random bits.
            jwt_secret: format!("{}{}", Ulid::generate(), Ulid::generate()),
            running: None,
            name,
        })
    }

    /// First part of the names of queues that the floors are measured on.
    pub fn floor_prefix(&self) -> String {
        format!("{}_floor", self.name)
    }

    /// Migrates, starts the API, the worker and the bare route, and registers the devices over HTTP.
    pub async fn start(&mut self, config: &BenchConfig, screen: &Screen) -> Result<&mut Running, Failure> {
        screen.line("migrating, starting api and worker, registering devices");
        let mut running = self.start_services(config).await?;
        running.wait_until_ready().await?;
        running.tokens = register(running.api_url(), &self.jwt_secret, config.devices, screen).await?;
        Ok(self.running.insert(running))
    }

    async fn start_services(&self, config: &BenchConfig) -> Result<Running, Failure> {
        std::fs::create_dir_all(&self.logs)?;
        let (api_address, worker_address) = (local(free_port()?), local(free_port()?));
        let bare_port = free_port()?.to_string();
        let env = [
            ("DATABASE_URL", self.database.url.expose_secret().to_owned()),
            ("AMQP_URL", config.amqp_url.expose_secret().to_owned()),
            ("REDIS_URL", config.redis_url.expose_secret().to_owned()),
            ("QUEUE_PREFIX", self.name.clone()),
            ("JWT_SECRET", self.jwt_secret.clone()),
            ("ADMIN_USERNAME", "bench-admin".to_owned()),
            ("ADMIN_PASSWORD", self.jwt_secret.clone()),
            ("INGEST_MAX_HZ", "0".to_owned()),
            // Registering the devices is no attack, though it all comes from one address.
            ("ADDRESS_MAX_PER_MINUTE", "0".to_owned()),
            ("USER_MAX_PER_MINUTE", "0".to_owned()),
            ("HTTP_WORKERS", config.http_threads().to_string()),
            ("BIND_ADDRESS", api_address.clone()),
            ("OPS_ADDRESS", worker_address.clone()),
        ];
        let (api, worker) = (self.bin_dir.join("pulso-api"), self.bin_dir.join("pulso-worker"));
        let bench = std::env::current_exe()?;
        let recipe = |name, program, args, cpus| Recipe { name, program, args, env: &env, logs: &self.logs, cpus };
        let (api_cpus, worker_cpus) = (config.api_cpus.as_ref(), config.worker_cpus.as_ref());
        Service::run(&recipe("migration", &api, &["migrate"], None)).await?;
        Ok(Running {
            api: Service::start(&recipe("api", &api, &["serve"], api_cpus))?,
            worker: Service::start(&recipe("worker", &worker, &["run"], worker_cpus))?,
            bare: Service::start(&recipe("bare-route", &bench, &["bare-route", "--port", &bare_port], api_cpus))?,
            api_url: format!("http://{api_address}"),
            worker_url: format!("http://{worker_address}"),
            bare_url: format!("http://127.0.0.1:{bare_port}"),
            counter: Counter::open(&self.database.url).await?,
            tokens: Vec::new(),
            client: crate::http::client()?,
        })
    }

    /// Stops and removes everything; what cannot be removed is named.
    pub async fn remove(mut self, screen: &Screen) {
        let removal = async {
            if let Some(running) = self.running.take() {
                running.stop().await;
            }
            if let Err(failure) = self.database.remove().await {
                screen.line(&format!("{} could not be dropped from PostgreSQL: {failure}", self.name));
            }
            for prefix in [self.name.clone(), self.floor_prefix()] {
                if let Err(failure) = queues::remove(&self.amqp_url, &prefix).await {
                    screen.line(&format!("{prefix}.* could not be deleted from RabbitMQ: {failure}"));
                }
            }
        };
        if tokio::time::timeout(REMOVE_TIMEOUT, removal).await.is_err() {
            screen.line(&format!("{} could not be removed in time", self.name));
        }
        if !self.keep_logs {
            let _ = std::fs::remove_dir_all(&self.logs);
        }
    }
}

/// Registers a user and their devices as anybody would, and gets every device a token.
async fn register(url: &str, password: &str, count: u32, screen: &Screen) -> Result<Vec<String>, Failure> {
    let account = AccountArgs {
        url: url.to_owned(),
        username: "bench".to_owned(),
        password: password.to_owned().into(),
        sign_up: true,
    };
    let account = Account::sign_in(&account).await?;
    let devices = enrol(&account, "bench", usize::try_from(count)?, screen).await?;
    Ok(exchange_all(&account.client, &devices).await?)
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}
