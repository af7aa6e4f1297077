//! The composition root: builds everything from the configuration, serves it, stops it in order.

use std::net::TcpListener;
use std::process::ExitCode;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer};
use pulso_shared::amqp::topology::Topology;
use pulso_shared::clock::Clock;
use pulso_shared::shutdown::Shutdown;
use pulso_shared::{db, metrics};

use crate::cache::Cache;
use crate::config::{ApiConfig, Cli, Command};
use crate::devices::DeviceRegistry;
use crate::error::ApiError;
use crate::fleet::Throughput;
use crate::history::Answers;
use crate::ingest::{GivenTimestamps, IngestLimiter, StoredWatch};
use crate::limits::Limits;
use crate::operations::PipelineSamples;
use crate::publisher::{Lane, PublishLimits, Publisher};
use crate::revocations::Revocations;
use crate::state::AppState;
use crate::tokens::Tokens;
use crate::{accounts, health, healthcheck, manners, migrate, openapi, presence, request, routes};

/// A failure to start, told to the operator.
pub type StartError = Box<dyn std::error::Error + Send + Sync>;

/// How long requests in flight have to finish after SIGTERM, s. Longer than the publish timeout.
const SHUTDOWN_TIMEOUT_S: u64 = 15;
/// How long the start waits for the revocations; devices' heartbeats are accepted without the database.
const FIRST_LOAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept: devices that report each minute need not connect anew.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a request's head may take to come, on a slow line or on a connection that was opened ahead of it. Beyond, the
/// answer is a 408, which a device that reads it as the answer to what it sends next may take for a refusal.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Does what the command line says.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    let done = match cli.command {
        Command::Serve(config) => config.log.install().and_then(|()| runtime()?.block_on(serve(*config))),
        Command::Migrate(config) => {
            config.log.install().and_then(|()| runtime()?.block_on(migrate::run(&config.database)))
        }
        Command::Healthcheck(config) => {
            runtime().map_err(Into::into).and_then(|rt| rt.block_on(healthcheck::run(&config)))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "stopped");
            ExitCode::FAILURE
        }
    }
}

/// A heartbeat never leaves its HTTP thread; what is left for this runtime is little.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()
}

async fn serve(config: ApiConfig) -> Result<(), StartError> {
    let shutdown = Shutdown::on_signal()?;
    let listener = TcpListener::bind(config.bind_address)?;
    let state = Data::new(build(config, shutdown.clone())?);
    accounts::ensure_administrator(&state).await?;
    load_revocations(&state).await;
    start_background(&state, &shutdown);
    tracing::info!(address = %listener.local_addr()?, "listening");
    run_server(listener, state, shutdown).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Everything handlers use, from the configuration; connects to nothing but the broker, and that in the background.
fn build(config: ApiConfig, shutdown: Shutdown) -> Result<AppState, StartError> {
    let db = db::connect(&config.database)?;
    let cache = Cache::new(&config.redis_url)?;
    Ok(AppState {
        clock: Clock::system(),
        limits: Limits::new(&config.limits, cache.clone(), &config.broker.queue_prefix),
        cache,
        tokens: Tokens::new(&config.auth.jwt_secret, config.auth.token_lives()),
        revocations: Revocations::default(),
        devices: DeviceRegistry::new(db.clone()),
        limiter: IngestLimiter::new(config.ingest.ingest_max_hz),
        given_timestamps: GivenTimestamps::default(),
        stored_watch: StoredWatch::start(db.clone(), shutdown),
        throughput: Throughput::default(),
        answers: Answers::new(config.answer_cache_bytes),
        publisher: Publisher::start(config.broker.amqp_url.clone(), Topology::new(&config.broker)),
        pipeline_samples: PipelineSamples::default(),
        metrics: metrics::install()?,
        db,
        config,
    })
}

/// Before the first request: a token that was revoked while this replica was down must not work on it.
async fn load_revocations(state: &AppState) {
    let load = state.revocations.load(&state.db, state.clock.now());
    if !matches!(tokio::time::timeout(FIRST_LOAD_TIMEOUT, load).await, Ok(Ok(()))) {
        tracing::warn!("revocations not read yet: the database is away; revoked tokens work here until it is back");
    }
}

fn start_background(state: &Data<AppState>, shutdown: &Shutdown) {
    tokio::spawn(state.revocations.clone().keep_fresh(state.db.clone(), state.clock));
    let limits = state.clone();
    tokio::spawn(async move { limits.limiter.sweep().await });
    let shared = state.clone();
    tokio::spawn(async move {
        shared.limiter.share(&shared.cache, &shared.config.broker.queue_prefix, || shared.clock.now()).await;
    });
    tokio::spawn(presence::keep_beating(state.clone(), shutdown.clone()));
    tokio::spawn(metrics::run_upkeep(state.metrics.clone()));
    let counts = state.clone();
    tokio::spawn(async move { counts.throughput.keep_written(&counts.db, counts.clock).await });
}

async fn run_server(listener: TcpListener, state: Data<AppState>, mut shutdown: Shutdown) -> std::io::Result<()> {
    let workers = state.config.http_threads();
    let server = HttpServer::new(move || {
        let limits = PublishLimits {
            timeout: state.config.ingest.publish_timeout(),
            buffer_bytes: state.config.ingest.publish_buffer_bytes,
        };
        App::new()
            .app_data(state.clone())
            .app_data(Lane::open(state.publisher.clone(), limits))
            .app_data(web::QueryConfig::default().error_handler(|error, _| bad_query(&error).into()))
            .wrap(from_fn(request::observe))
            .wrap(manners::cors(&state.config.web.cors_allowed_origins))
            // What devices ask for comes first: the router tries one after the other.
            .configure(routes::serve)
            .configure(openapi::serve)
            .configure(health::configure)
    })
    .keep_alive(KEEP_ALIVE)
    // An answer in two pieces would otherwise wait 40 ms for the client's delayed acknowledgement of the first.
    .tcp_nodelay(true)
    .client_request_timeout(REQUEST_HEAD_TIMEOUT)
    .shutdown_timeout(SHUTDOWN_TIMEOUT_S)
    .workers(workers)
    .disable_signals();
    let server = server.listen(listener)?.run();
    let handle = server.handle();
    tokio::spawn(async move {
        shutdown.requested().await;
        handle.stop(true).await;
    });
    server.await
}

fn bad_query(error: &actix_web::error::QueryPayloadError) -> ApiError {
    ApiError::field("query", "invalid", error)
}
