//! Everything that a run creates on this machine, and removes again.

use std::path::PathBuf;
use std::time::Duration;

use pulso_simulator::account::{Account, AccountArgs};
use pulso_simulator::device_token::exchange_all;
use pulso_simulator::enrolment::enrol;
use pulso_simulator::screen::Screen;
use pulso_testkit::{Failure, Program, free_port};
use secrecy::{ExposeSecret, SecretString};
use ulid::Ulid;

use crate::config::BenchConfig;
use crate::database::{Counter, Database};
use crate::launcher::Launcher;
use crate::system::SystemUnderTest;
use crate::{metrics_page, queues};

/// Longer than the programs take to stop.
const REMOVE_TIMEOUT: Duration = Duration::from_secs(90);

/// A database, queues and processes of one run.
pub struct Testbed {
    name: String,
    amqp_url: SecretString,
    logs: PathBuf,
    keep_logs: bool,
    jwt_secret: String,
    /// The database.
    pub database: Database,
    system: Option<SystemUnderTest>,
}

impl Testbed {
    /// Creates the database; nothing runs yet.
    pub async fn new(config: &BenchConfig) -> Result<Self, Failure> {
        let name = format!("pulso_bench_{}", Ulid::generate().to_string().to_lowercase());
        let logs = config.logs.clone().unwrap_or_else(|| std::env::temp_dir().join(&name));
        Ok(Self {
            database: Database::create(&config.database_url, &name).await?,
            amqp_url: config.amqp_url.clone(),
            logs,
            keep_logs: config.logs.is_some(),
            // 160 random bits.
            jwt_secret: format!("{}{}", Ulid::generate(), Ulid::generate()),
            system: None,
            name,
        })
    }

    /// Prefix of the queues that the floors are measured on.
    pub fn floor_prefix(&self) -> String {
        format!("{}_floor", self.name)
    }

    /// Migrates, starts the API, the worker and the bare route, and registers the devices over HTTP.
    pub async fn start(&mut self, config: &BenchConfig, screen: &Screen) -> Result<&mut SystemUnderTest, Failure> {
        screen.line("migrating, starting api and worker, registering devices");
        let mut system = self.start_programs(config).await?;
        system.wait_until_ready().await?;
        system.tokens = register(system.api_url(), &self.jwt_secret, config.devices, screen).await?;
        Ok(self.system.insert(system))
    }

    /// Starts the API, the worker and the bare route; none of them need be ready yet.
    async fn start_programs(&self, config: &BenchConfig) -> Result<SystemUnderTest, Failure> {
        let (api_address, worker_address) = (local(free_port()?), local(free_port()?));
        let bare_port = free_port()?.to_string();
        let environment = self.environment(config, [&api_address, &worker_address]);
        let launcher = Launcher::new(config.bin_dir.as_deref(), environment, self.logs.clone())?;
        let (api_cpus, worker_cpus) = (config.api_cpus.as_ref(), config.worker_cpus.as_ref());
        launcher.migrate().await?;
        let bare_route = launcher.program("bare-route", "", &["bare-route", "--port", &bare_port], api_cpus);
        let bare_route = Program { executable: std::env::current_exe()?, ..bare_route };
        Ok(SystemUnderTest {
            api: launcher.program("api", "pulso-api", &["serve"], api_cpus).start()?,
            worker: launcher.program("worker", "pulso-worker", &["run"], worker_cpus).start()?,
            bare_route: bare_route.start()?,
            api_client: metrics_page::client(format!("http://{api_address}"))?,
            worker_client: metrics_page::client(format!("http://{worker_address}"))?,
            bare_url: format!("http://127.0.0.1:{bare_port}"),
            counter: Counter::open(&self.database.url).await?,
            tokens: Vec::new(),
        })
    }

    fn environment(
        &self,
        config: &BenchConfig,
        [api_address, worker_address]: [&String; 2],
    ) -> [(&'static str, String); 14] {
        [
            ("DATABASE_URL", self.database.url.expose_secret().to_owned()),
            ("AMQP_URL", config.amqp_url.expose_secret().to_owned()),
            ("REDIS_URL", config.redis_url.expose_secret().to_owned()),
            ("QUEUE_PREFIX", self.name.clone()),
            ("JWT_SECRET", self.jwt_secret.clone()),
            ("ADMIN_USERNAME", "bench-admin".to_owned()),
            ("ADMIN_PASSWORD", self.jwt_secret.clone()),
            ("INGEST_MAX_HZ", "0".to_owned()),
            // All devices are registered from one address: that must not count as an attack.
            ("ADDRESS_MAX_PER_MINUTE", "0".to_owned()),
            ("USER_MAX_PER_MINUTE", "0".to_owned()),
            ("LOGIN_ADDRESS_MAX_PER_MINUTE", "0".to_owned()),
            ("HTTP_WORKERS", config.http_threads().to_string()),
            ("BIND_ADDRESS", api_address.clone()),
            ("OPS_ADDRESS", worker_address.clone()),
        ]
    }

    /// Stops and removes everything; names what cannot be removed.
    pub async fn remove(mut self, screen: &Screen) {
        let removal = async {
            if let Some(system) = self.system.take() {
                system.stop().await;
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

/// Registers a user and devices over HTTP, and gets each device a token.
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
