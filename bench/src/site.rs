//! Everything a run makes on this machine, and takes away again.

use std::path::PathBuf;

use lapin::options::{ExchangeDeleteOptions, QueueDeleteOptions};
use pulso_shared::amqp::connection;
use pulso_shared::amqp::topology::Topology;
use pulso_shared::config::BrokerConfig;
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use ulid::Ulid;

use crate::Failure;
use crate::config::BenchConfig;
use crate::database::{Counter, Database};
use crate::devices;
use crate::http::{self, Scrape};
use crate::screen;
use crate::service::{Recipe, Service, free_port};

/// Database, queues, processes, devices.
pub struct Site {
    name: String,
    amqp_url: SecretString,
    bin_dir: PathBuf,
    logs: PathBuf,
    keep_logs: bool,
    jwt_secret: String,
    database: Database,
    client: Client,
    running: Option<Running>,
}

/// What runs once the site has been started.
pub struct Running {
    api: Service,
    worker: Service,
    bare: Service,
    api_url: String,
    worker_url: String,
    bare_url: String,
    /// Counts rows.
    pub counter: Counter,
    /// The devices' access tokens.
    pub tokens: Vec<String>,
    client: Client,
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
        std::fs::create_dir_all(&logs)?;
        Ok(Self {
            database: Database::create(&config.database_url, &name).await?,
            amqp_url: config.amqp_url.clone(),
            bin_dir,
            logs,
            keep_logs: config.logs.is_some(),
            jwt_secret: format!("{}{}", Ulid::generate(), Ulid::generate()),
            client: http::client()?,
            running: None,
            name,
        })
    }

    /// Migrates, starts the API, the worker and the bare route, registers the devices.
    pub async fn start(&mut self, config: &BenchConfig) -> Result<(), Failure> {
        screen::line("migrating, starting api and worker, registering devices");
        let (api_address, worker_address) = (local(free_port()?), local(free_port()?));
        let bare_port = free_port()?.to_string();
        let http_workers = config.http_workers.to_string();
        let env = [
            ("DATABASE_URL", self.database.url.expose_secret()),
            ("AMQP_URL", config.amqp_url.expose_secret()),
            ("REDIS_URL", config.redis_url.expose_secret()),
            ("QUEUE_PREFIX", self.name.as_str()),
            ("JWT_SECRET", self.jwt_secret.as_str()),
            ("ADMIN_USERNAME", "bench-admin"),
            ("ADMIN_PASSWORD", self.jwt_secret.as_str()),
            ("INGEST_MAX_HZ", "0"),
            ("HTTP_WORKERS", http_workers.as_str()),
            ("BIND_ADDRESS", api_address.as_str()),
            ("OPS_ADDRESS", worker_address.as_str()),
        ];
        let (api, worker) = (self.bin_dir.join("pulso-api"), self.bin_dir.join("pulso-worker"));
        let bench = std::env::current_exe()?;
        let recipe = |name, program, args| Recipe { name, program, args, env: &env, logs: &self.logs };
        Service::run(&recipe("migration", &api, &["migrate"])).await?;
        let mut running = Running {
            api: Service::start(&recipe("api", &api, &["serve"]))?,
            worker: Service::start(&recipe("worker", &worker, &["run"]))?,
            bare: Service::start(&recipe("bare-route", &bench, &["bare-route", "--port", &bare_port]))?,
            api_url: format!("http://{api_address}"),
            worker_url: format!("http://{worker_address}"),
            bare_url: format!("http://127.0.0.1:{bare_port}"),
            counter: Counter::open(&self.database.url).await?,
            tokens: Vec::new(),
            client: self.client.clone(),
        };
        running.ready().await?;
        running.tokens = devices::make(&running.counter, &self.jwt_secret, config.devices).await?;
        self.running = Some(running);
        Ok(())
    }

    /// What runs.
    pub fn running(&mut self) -> Result<&mut Running, Failure> {
        self.running.as_mut().ok_or_else(|| "the site has not been started".into())
    }

    /// Stops and removes everything; what cannot be removed is named.
    pub async fn remove(mut self) {
        if let Some(running) = self.running.take() {
            tokio::join!(running.api.stop(), running.worker.stop(), running.bare.stop());
        }
        if let Err(failure) = self.database.remove().await {
            screen::line(&format!("{} could not be dropped from PostgreSQL: {failure}", self.name));
        }
        if let Err(failure) = self.remove_queues().await {
            screen::line(&format!("{}.* could not be deleted from RabbitMQ: {failure}", self.name));
        }
        if !self.keep_logs {
            let _ = std::fs::remove_dir_all(&self.logs);
        }
    }

    async fn remove_queues(&self) -> Result<(), Failure> {
        let config = BrokerConfig {
            amqp_url: self.amqp_url.clone(),
            queue_prefix: self.name.clone(),
            queue_max_bytes: u32::MAX,
        };
        let topology = Topology::new(&config);
        let connection = connection::open(&self.amqp_url, "pulso-bench").await?;
        let channel = connection::within_time(connection.create_channel()).await?;
        for queue in [topology.store_queue(), topology.dead_queue()] {
            connection::within_time(channel.queue_delete(queue, QueueDeleteOptions::default())).await?;
        }
        for exchange in [topology.telemetry_exchange(), topology.dead_letter_exchange()] {
            connection::within_time(channel.exchange_delete(exchange, ExchangeDeleteOptions::default())).await?;
        }
        Ok(connection::within_time(connection.close(200, "done".into())).await?)
    }
}

impl Running {
    async fn ready(&mut self) -> Result<(), Failure> {
        self.worker.ready(&format!("{}/livez", self.worker_url)).await?;
        self.api.ready(&format!("{}/readyz", self.api_url)).await
    }

    /// Fails when something we started has ended.
    pub fn check(&mut self) -> Result<(), Failure> {
        self.api.check()?;
        self.worker.check()?;
        self.bare.check()
    }

    /// The API's address.
    pub fn api_url(&self) -> &str {
        &self.api_url
    }

    /// The bare route's address.
    pub fn bare_url(&self) -> &str {
        &self.bare_url
    }

    /// Processes of the API, the worker and the bare route.
    pub fn pids(&self) -> (u32, u32, u32) {
        (self.api.pid(), self.worker.pid(), self.bare.pid())
    }

    /// What the API counts.
    pub async fn api_metrics(&self) -> Result<Scrape, Failure> {
        Scrape::of(&self.client, &format!("{}/metrics", self.api_url)).await
    }

    /// What the worker counts.
    pub async fn worker_metrics(&self) -> Result<Scrape, Failure> {
        Scrape::of(&self.client, &format!("{}/metrics", self.worker_url)).await
    }
}

fn local(port: u16) -> String {
    format!("127.0.0.1:{port}")
}
