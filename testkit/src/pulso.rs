//! A whole Pulso for one test.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on says where")]

use ulid::Ulid;

use crate::broker::Broker;
use crate::client::Client;
use crate::database::Database;
use crate::process::{Process, binary};
use crate::program::Program;
use crate::test_servers::server_url;
use crate::wait::eventually;

/// How a test's Pulso differs from the default.
#[derive(Default)]
pub struct Options {
    /// Variables of the API.
    pub api: Vec<(&'static str, String)>,
    /// Variables of the worker.
    pub worker: Vec<(&'static str, String)>,
    /// The broker's URL for the API and the worker, such as that of a proxy.
    pub amqp_url: Option<String>,
    /// The URL of Redis, likewise.
    pub redis_url: Option<String>,
    /// Start without a worker.
    pub without_worker: bool,
    /// Queues that exist before: `store` or `dead`, with this limit (an AMQP argument) of this value.
    pub queues: Vec<(&'static str, &'static str, i32)>,
}

/// The processes, their database and their broker.
pub struct Pulso {
    /// The API.
    pub api: Process,
    /// The worker, where there is one.
    pub worker: Option<Process>,
    /// A client without a token.
    pub client: Client,
    /// The database.
    pub database: Database,
    /// The broker.
    pub broker: Broker,
    api_environment: Vec<(String, String)>,
    worker_environment: Vec<(String, String)>,
}

impl Pulso {
    /// Starts an API and a worker.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// Starts one with these options.
    pub async fn start_with(options: Options) -> Self {
        let database = Database::create().await;
        let prefix = format!("test-{}", Ulid::generate());
        let direct_amqp = server_url("TEST_AMQP_URL");
        let common = vec![
            ("DATABASE_URL".to_owned(), database.url.clone()),
            ("AMQP_URL".to_owned(), options.amqp_url.unwrap_or_else(|| direct_amqp.clone())),
            ("REDIS_URL".to_owned(), options.redis_url.unwrap_or_else(|| server_url("TEST_REDIS_URL"))),
            ("QUEUE_PREFIX".to_owned(), prefix.clone()),
            ("RUST_LOG".to_owned(), "info,pulso_api=debug,pulso_worker=debug".to_owned()),
        ];
        let api_environment = environment(&common, API, &options.api);
        let worker_environment = environment(&common, WORKER, &options.worker);
        let broker = Broker::connect(&direct_amqp, &prefix).await;
        for (queue, limit, value) in options.queues {
            broker.declare_with_limit(queue, limit, value).await;
        }
        let (api, client) = start_api(&api_environment).await;
        let worker = if options.without_worker { None } else { Some(start_worker(&worker_environment).await) };
        Self { api, worker, client, database, broker, api_environment, worker_environment }
    }

    /// Starts one more API on the same database and broker.
    pub async fn start_replica(&self) -> (Process, Client) {
        start_api(&self.api_environment).await
    }

    /// Starts one more API, with variables of its own.
    pub async fn start_replica_with(&self, variables: &[(&'static str, String)]) -> (Process, Client) {
        start_api(&environment(&self.api_environment, &[], variables)).await
    }

    /// Starts one more worker.
    pub async fn start_another_worker(&self) -> Process {
        start_worker(&self.worker_environment).await
    }

    /// Starts the API again after it was killed; `client` is then the new one's.
    pub async fn restart_api(&mut self) {
        let (api, client) = start_api(&self.api_environment).await;
        self.api = api;
        self.client = client;
    }

    /// The same with other variables from now on.
    pub async fn restart_api_with(&mut self, changed: &[(&str, &str)]) {
        self.api.terminate().await;
        let changed = changed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        self.api_environment.extend(changed);
        self.restart_api().await;
    }

    /// Starts the worker (again).
    pub async fn restart_worker(&mut self) {
        self.worker = Some(start_worker(&self.worker_environment).await);
    }

    /// Runs `pulso-worker` with these arguments to its end; its exit code, standard output and standard error.
    pub fn worker_command(&self, arguments: &[&str]) -> (i32, String, String) {
        let program = Program {
            executable: binary("pulso-worker"),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment: self.worker_environment.clone(),
            ..Program::default()
        };
        let done = program.command().into_std().output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (done.status.code().expect("an exit code"), text(done.stdout), text(done.stderr))
    }

    /// Waits until so many rows are stored in both tables together.
    pub async fn stored(&self, rows: i64) {
        let count = "SELECT (SELECT count(*) FROM heartbeats) + (SELECT count(*) FROM readings)";
        eventually(&format!("{rows} rows stored"), async || (self.database.count(count).await >= rows).then_some(()))
            .await;
        assert_eq!(self.database.count(count).await, rows, "more rows than were sent");
    }

    /// Stops everything in order, and checks that no message and no dead letter is left over.
    pub async fn finish(mut self) {
        self.api.terminate().await;
        if let Some(worker) = &mut self.worker {
            worker.terminate().await;
            assert_eq!(self.broker.data_left().await, 0, "left in the store queue");
        }
        assert_eq!(self.broker.depth("dead").await, 0, "left in the dead-letter queue");
        self.broker.delete_all().await;
        self.database.drop().await;
    }
}

const API: &[(&str, &str)] = &[
    ("BIND_ADDRESS", "127.0.0.1:0"),
    ("HTTP_WORKERS", "2"),
    ("JWT_SECRET", "a secret of the tests, long enough"),
    ("BCRYPT_COST", "4"),
    ("INGEST_MAX_HZ", "0"),
    // A test registers as many people as it needs, all from one address.
    ("LOGIN_ADDRESS_MAX_PER_MINUTE", "0"),
    ("DATABASE_POOL_SIZE", "4"),
];

const WORKER: &[(&str, &str)] = &[("OPS_ADDRESS", "127.0.0.1:0"), ("BATCH_INTERVAL_MS", "10")];

/// Later entries override earlier ones of the same name.
fn environment(
    common: &[(String, String)],
    defaults: &[(&str, &str)],
    wanted: &[(&'static str, String)],
) -> Vec<(String, String)> {
    let defaults = defaults.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let wanted = wanted.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    common.iter().cloned().chain(defaults).chain(wanted).collect()
}

async fn start_api(environment: &[(String, String)]) -> (Process, Client) {
    let mut api = Process::start("pulso-api", &["serve"], environment);
    let address = api.logged("listening", "address").await;
    let client = Client::new(format!("http://{address}"));
    eventually("the API is ready", async || (client.get("/readyz").await.status == 200).then_some(())).await;
    (api, client)
}

async fn start_worker(environment: &[(String, String)]) -> Process {
    let mut worker = Process::start("pulso-worker", &["run"], environment);
    let address = worker.logged("health and metrics", "address").await;
    let client = Client::new(format!("http://{address}"));
    eventually("the worker is ready", async || (client.get("/readyz").await.status == 200).then_some(())).await;
    worker
}
