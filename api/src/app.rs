//! The composition root: builds every part from the configuration, serves HTTP, stops in order.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use actix_web::{App, HttpServer};
use diesel::sql_query;
use pulso_shared::amqp::topology::Topology;
use pulso_shared::clock::Clock;
use pulso_shared::metrics;
use pulso_shared::shutdown::Shutdown;

use crate::auth::Auth;
use crate::auth::password::PasswordHasher;
use crate::auth::revocations::Revocations;
use crate::auth::tokens::Tokens;
use crate::broker::{Lane, PublishLimits, Publisher};
use crate::catalogue::FeedSource;
use crate::config::ApiConfig;
use crate::db::{self, DbPool};
use crate::devices::DeviceRegistry;
use crate::export::ResponseCache;
use crate::http::error::ApiError;
use crate::http::health::{self, Readiness};
use crate::http::middleware::{cors, observe};
use crate::ingest::{IngestLimiter, StoredWatch};
use crate::rate_limit::{self, RateLimiter};
use crate::redis::RedisClient;
use crate::sessions::SignInLimiter;
use crate::state::AppState;
use crate::{accounts, http_client, openapi, presence, routes};

/// A failure to start, told to the operator.
type StartError = Box<dyn std::error::Error + Send + Sync>;

/// How long requests in flight have to finish after SIGTERM, s. Longer than the publish timeout.
const SHUTDOWN_TIMEOUT_S: u64 = 15;
/// How long the start waits for the revocations; devices' heartbeats are accepted without the database.
const FIRST_LOAD_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an idle connection is kept: devices that report each minute need not connect anew.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a request's head may take to come, on a slow line or on a connection that was opened ahead of it. Beyond, the
/// answer is a 408, which a device that reads it as the answer to what it sends next may take for a refusal.
const REQUEST_HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Answers requests until SIGTERM.
pub async fn serve(config: ApiConfig) -> Result<(), StartError> {
    let shutdown = Shutdown::on_signal()?;
    let listener = TcpListener::bind(config.bind_address)?;
    let state = Data::new(build(config, shutdown.clone())?);
    accounts::ensure_administrator(&state.db, state.auth.clone().into_inner()).await?;
    load_revocations(&state).await;
    start_background(&state, &shutdown);
    tracing::info!(address = %listener.local_addr()?, "listening");
    run_server(listener, state, shutdown).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Every part, from the configuration; connects to nothing but the broker, and that in the background.
fn build(config: ApiConfig, shutdown: Shutdown) -> Result<AppState, StartError> {
    let clock = Clock::system();
    let db = db::connect(&config.database)?;
    let redis = RedisClient::new(&config.redis_url)?;
    let publisher = Publisher::start(config.broker.amqp_url.clone(), Topology::new(&config.broker));
    let auth = Auth {
        config: config.auth.clone(),
        passwords: PasswordHasher::new(config.auth.bcrypt_cost),
        tokens: Tokens::new(&config.auth.jwt_secret, config.auth.token_lives()),
        revocations: Revocations::default(),
        redis: redis.clone(),
        clock,
    };
    let rate_limiter = Data::new(RateLimiter::new(&config.limits, redis.clone(), &config.broker.queue_prefix));
    Ok(AppState {
        clock,
        sign_in_limiter: Data::new(SignInLimiter::new(&config.limits, rate_limiter.clone())),
        rate_limiter,
        readiness: Data::new(readiness(&db, &redis, &publisher)),
        redis: Data::new(redis),
        auth: Data::new(auth),
        devices: Data::new(DeviceRegistry::new(db.clone())),
        limiter: Data::new(IngestLimiter::new(config.ingest.ingest_max_hz)),
        given_timestamps: Data::default(),
        stored_watch: Data::new(StoredWatch::start(db.clone(), shutdown)),
        throughput: Data::default(),
        response_cache: Data::new(ResponseCache::new(config.answer_cache_bytes)),
        publisher: Data::new(publisher),
        feed_source: Data::new(FeedSource::new(http_client::build(), config.catalogue.catalogue_url.clone())),
        pipeline_samples: Data::default(),
        metrics: Data::new(metrics::install()?),
        db: Data::new(db),
        auth_config: Data::new(config.auth.clone()),
        web_config: Data::new(config.web.clone()),
        ingest_config: Data::new(config.ingest.clone()),
        config: Data::new(config),
    })
}

fn readiness(db: &DbPool, redis: &RedisClient, publisher: &Publisher) -> Readiness {
    let (db, redis, publisher) = (db.clone(), redis.clone(), publisher.clone());
    Readiness::default()
        .require("database", move || select_one(db.clone()))
        .require("broker", move || {
            std::future::ready(publisher.is_ready().then_some(()).ok_or_else(|| "not connected".to_owned()))
        })
        .observe("cache", move || {
            let redis = redis.clone();
            async move { redis.ping().await.map_err(|error| error.to_string()) }
        })
}

async fn select_one(db: DbPool) -> Result<(), String> {
    use diesel_async::RunQueryDsl;
    let mut connection = db.get().await.map_err(|error| error.to_string())?;
    sql_query("SELECT 1").execute(&mut connection).await.map_err(|error| error.to_string())?;
    Ok(())
}

/// Before the first request: a token that was revoked while this replica was down must not work on it.
async fn load_revocations(state: &AppState) {
    let load = state.auth.revocations.load(&state.db, state.clock.now());
    if !matches!(tokio::time::timeout(FIRST_LOAD_TIMEOUT, load).await, Ok(Ok(()))) {
        tracing::warn!(
            "revocations not read yet: the database is unavailable; revoked tokens work here until it is back"
        );
    }
}

fn start_background(state: &Data<AppState>, shutdown: &Shutdown) {
    tokio::spawn(state.auth.revocations.clone().keep_fresh(DbPool::clone(&state.db), state.clock));
    let limits = state.clone();
    tokio::spawn(async move { limits.limiter.sweep().await });
    let shared = state.clone();
    tokio::spawn(async move {
        shared.limiter.share(&shared.redis, &shared.config.broker.queue_prefix, || shared.clock.now()).await;
    });
    tokio::spawn(presence::keep_beating(state.clone(), shutdown.clone()));
    tokio::spawn(metrics::run_upkeep(state.metrics.get_ref().clone()));
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
            .configure(|services| state.provide(services))
            .app_data(Lane::open(Publisher::clone(&state.publisher), limits))
            .app_data(web::QueryConfig::default().error_handler(|error, _| bad_query(&error).into()))
            .wrap(from_fn(rate_limit::admit))
            .wrap(from_fn(observe))
            .wrap(cors(&state.web_config.cors_allowed_origins))
            // What devices ask for comes first: the router tries one after the other.
            .configure(routes::serve)
            .configure(openapi::serve)
            .configure(health::configure)
            .default_service(web::to(openapi::unmatched))
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
