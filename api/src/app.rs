//! The composition root: builds every part from the configuration, starts the tasks, serves HTTP, stops in order.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_web::App;
use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::web::{self, Data};
use pulso_shared::amqp::topology::Topology;
use pulso_shared::clock::Clock;
use pulso_shared::logging::{keep_reporting_suppressed, report_suppressed};
use pulso_shared::metrics;
use pulso_shared::metrics::PrometheusHandle;
use pulso_shared::shutdown::Shutdown;
use pulso_shared::supervisor::Supervisor;
use socket2::SockRef;

use crate::auth::Auth;
use crate::auth::password::PasswordHasher;
use crate::auth::revocations::Revocations;
use crate::auth::tokens::Tokens;
use crate::broker::{BatchingPublisher, BatchingWatch, BrokerAdmin, PublishLimits, Publisher};
use crate::catalogue::FeedSource;
use crate::config::ApiConfig;
use crate::db::{DbPool, DbPools};
use crate::devices::{DeviceLimits, DeviceRegistry};
use crate::export::ResponseCache;
use crate::http::error::ApiError;
use crate::http::extract::large_bodies::LargeBodies;
use crate::http::health::{self, Readiness, Unusable};
use crate::http::large_answers::LargeAnswers;
use crate::http::middleware::{cors, observe};
use crate::http::server::{self, SHUTDOWN_TIMEOUT_S};
use crate::ingest::{IngestParts, IngestThread, StoredWatch};
use crate::rate_limit::{self, HeavyQueries, RateLimiter};
use crate::redis::RedisClient;
use crate::sessions::SignInLimiter;
use crate::state::AppState;
use crate::{accounts, http_client, migrate, openapi, presence, routes, throughput};

/// Why the process could not start, or has to end.
type StartError = Box<dyn std::error::Error + Send + Sync>;

/// How long all tasks have to finish after SIGTERM: what HTTP has, and a little to close.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(SHUTDOWN_TIMEOUT_S + 5);
/// How long the start waits for the revocations; devices' heartbeats are accepted without the database.
const FIRST_LOAD_TIMEOUT: Duration = Duration::from_secs(5);
/// What the kernel holds of an answer whose client does not read; by itself it would take 4 MB. Over a line with a round
/// trip of 100 ms that is 2.5 MB a second.
const SEND_BUFFER_BYTES: usize = 256 * 1024;

/// Answers requests until SIGTERM, or until a task fails.
pub async fn serve(config: ApiConfig) -> Result<(), StartError> {
    let mut supervisor = Supervisor::on_signal()?;
    let listener = listen(config.bind_address, config.web.write_timeout)?;
    let db = DbPools::new(&config.database, config.database_pool_size)?;
    let state = build(config, &db, &mut supervisor)?;
    accounts::ensure_administrator(&db.background, state.auth.clone().into_inner(), &mut supervisor).await?;
    load_revocations(&state.auth, &db.background, state.clock).await;
    start_tasks(&state, &db, &mut supervisor);
    run(listener, state, supervisor).await?;
    report_suppressed();
    tracing::info!("stopped");
    Ok(())
}

/// A socket whose connections are given up when their client takes nothing for `write_timeout`: the kernel does so, since
/// the server itself has no timeout for a client that does not read. Connections inherit the option.
fn listen(address: SocketAddr, write_timeout: Duration) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    let socket = SockRef::from(&listener);
    socket.set_tcp_user_timeout(Some(write_timeout))?;
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    Ok(listener)
}

/// Every part, from the configuration; connects to nothing but the broker, and that in the background.
fn build(config: ApiConfig, db: &DbPools, supervisor: &mut Supervisor) -> Result<Data<AppState>, StartError> {
    // First, since parts count from their beginning.
    let metrics = Data::new(metrics::install()?);
    let clock = Clock::system();
    let (redis, keep_redis_connected) = RedisClient::new(&config.redis_url, &config.broker.queue_prefix)?;
    supervisor.spawn_background("Redis connections", keep_redis_connected);
    let topology = Topology::new(&config.broker);
    let (publisher, keep_connected) = Publisher::new(config.broker.amqp_url.clone(), topology.clone());
    supervisor.spawn_background("publisher connection", keep_connected);
    let (stored_watch, watch) = StoredWatch::new(db.sign_in.clone(), supervisor.shutdown());
    supervisor.spawn("stored watch", watch);
    let auth = Auth {
        config: config.auth.clone(),
        web: config.web.clone(),
        passwords: PasswordHasher::new(config.auth.bcrypt_cost),
        tokens: Tokens::new(&config.auth.jwt_secret, config.auth.token_lives()),
        revocations: Revocations::default(),
        redis: redis.clone(),
        clock,
    };
    let (auth, devices) = (Data::new(auth), Data::new(DeviceRegistry::new(db.sign_in.clone())));
    let ingest = IngestParts::new(&config, clock, auth.clone(), devices.clone(), stored_watch);
    let rate_limiter = Data::new(RateLimiter::new(&config.limits, redis.clone(), &config.broker.queue_prefix));
    Ok(Data::new(AppState {
        clock,
        sign_in_limiter: Data::new(SignInLimiter::new(&config.limits, rate_limiter.clone())),
        rate_limiter,
        readiness: Data::new(readiness(&db.background, &redis, &publisher)),
        redis: Data::new(redis),
        auth,
        devices,
        device_limits: DeviceLimits {
            max_per_account: config.limits.devices_max_per_account,
            offline_after_min_s: config.limits.offline_after_min_s,
        },
        ingest: Data::new(ingest),
        response_cache: Data::new(ResponseCache::new(config.answer_cache_bytes)),
        publisher: Data::new(publisher),
        broker: Data::new(BrokerAdmin::new(config.broker.amqp_url.clone(), topology)),
        feed_source: Data::new(FeedSource::new(http_client::build(), config.catalogue.catalogue_url.clone())),
        pipeline_samples: Data::default(),
        large_bodies: LargeBodies::new(config.web.large_bodies_max),
        large_answers: LargeAnswers::new(config.web.streams_max_per_account.get()),
        metrics,
        heavy_queries: Data::new(HeavyQueries::new(
            db.requests.clone(),
            config.database_pool_size,
            config.limits.account_max_concurrent_queries,
        )),
        db: Data::new(db.requests.clone()),
        sign_in_db: Data::new(db.sign_in.clone()),
        auth_config: Data::new(config.auth.clone()),
        web_config: Data::new(config.web.clone()),
        cache_config: Data::new(config.cache),
        config: Data::new(config),
    }))
}

fn readiness(db: &DbPool, redis: &RedisClient, publisher: &Publisher) -> Readiness {
    let (db, redis, publisher) = (db.clone(), redis.clone(), publisher.clone());
    Readiness::default()
        .require("database", move || ask_database(db.clone()))
        .require_for_ingest("broker", move || {
            std::future::ready(publisher.is_ready().then_some(()).ok_or_else(|| "not connected".to_owned().into()))
        })
        .observe("cache", move || {
            let redis = redis.clone();
            async move { redis.ping().await.map_err(|error| error.to_string().into()) }
        })
}

/// PostgreSQL answers, and has all the tables that this program needs.
async fn ask_database(db: DbPool) -> Result<(), Unusable> {
    let mut connection = db.get().await.map_err(|error| error.to_string())?;
    match migrate::first_missing(&mut connection).await {
        Ok(None) => Ok(()),
        Ok(Some(version)) => {
            let why = format!("migration {version} is missing: run pulso-api migrate");
            Err(Unusable { state: "not_migrated", why })
        }
        Err(error) => Err(error.to_string().into()),
    }
}

/// Before the first request: a token that was revoked while this replica was down must not work on it.
async fn load_revocations(auth: &Auth, db: &DbPool, clock: Clock) {
    let load = auth.revocations.load(db, clock.now());
    if !matches!(tokio::time::timeout(FIRST_LOAD_TIMEOUT, load).await, Ok(Ok(()))) {
        tracing::warn!(
            "revocations not loaded: the database is unavailable; revoked tokens work here until it is back"
        );
    }
}

fn start_tasks(state: &AppState, db: &DbPools, supervisor: &mut Supervisor) {
    let (clock, publisher) = (state.clock, Publisher::clone(&state.publisher));
    supervisor.spawn_background("revocations", state.auth.revocations.clone().keep_fresh(db.background.clone(), clock));
    let probes = presence::publish_probes(db.background.clone(), publisher.clone(), clock, supervisor.shutdown());
    supervisor.spawn("watermark probes", probes);
    // Counts that are written late hurt nobody, so they wait behind sign-ins rather than before a probe.
    let db = db.sign_in.clone();
    supervisor.spawn_background("throughput", async move {
        throughput::keep_written(publisher.accepted(), &db, clock).await;
    });
    let ingest = state.ingest.clone();
    supervisor.spawn_background("rate limit sweep", async move { ingest.limiter.sweep().await });
    let (ingest, redis, prefix) = (state.ingest.clone(), state.redis.clone(), state.config.broker.queue_prefix.clone());
    supervisor.spawn_background("rate limit reconciliation", async move {
        ingest.limiter.reconcile(&redis, &prefix, clock).await;
    });
    supervisor.spawn_background("metrics upkeep", metrics::run_upkeep(PrometheusHandle::clone(&state.metrics)));
    supervisor.spawn_background("log counts", keep_reporting_suppressed());
}

/// Serves HTTP until the shutdown, under the supervisor's eye.
async fn run(listener: TcpListener, state: Data<AppState>, mut supervisor: Supervisor) -> Result<(), StartError> {
    let (batching, stopped) = BatchingWatch::new();
    supervisor.spawn_background("batching publishers", stopped);
    let address = listener.local_addr()?;
    let server = http_server(listener, state, batching)?;
    tracing::info!(%address, "listening");
    supervisor.spawn("http server", answer_requests(server, supervisor.shutdown()));
    Ok(supervisor.run(SHUTDOWN_DEADLINE).await?)
}

fn http_server(listener: TcpListener, state: Data<AppState>, batching: BatchingWatch) -> std::io::Result<Server> {
    let threads = state.config.http_threads();
    server::start(listener, threads, move || {
        let limits = PublishLimits {
            timeout: state.config.ingest.publish_timeout,
            buffer_bytes: state.config.ingest.publish_buffer_bytes,
        };
        App::new()
            .configure(|services| state.provide(services))
            .app_data(IngestThread::new(
                state.ingest.clone(),
                BatchingPublisher::start(Publisher::clone(&state.publisher), limits, batching.clone()),
            ))
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
}

/// Until the shutdown is requested; then until the requests in flight are answered.
async fn answer_requests(mut server: Server, mut shutdown: Shutdown) {
    let served = tokio::select! {
        served = &mut server => served,
        () = shutdown.requested() => {
            let handle = server.handle();
            tokio::join!(server, handle.stop(true)).0
        }
    };
    if let Err(error) = served {
        tracing::error!(%error, "HTTP server failed");
    }
}

fn bad_query(error: &actix_web::error::QueryPayloadError) -> ApiError {
    ApiError::field("query", "invalid", error)
}
