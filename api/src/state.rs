//! The parts that handlers use: one of each a process, shared by all its threads.

use actix_web::web::{Data, ServiceConfig};
use pulso_shared::clock::Clock;
use pulso_shared::metrics::PrometheusHandle;

use crate::auth::Auth;
use crate::broker::{BrokerAdmin, Publisher};
use crate::catalogue::FeedSource;
use crate::config::{ApiConfig, AuthConfig, CacheConfig, WebConfig};
use crate::db::{DbPool, SignInDb};
use crate::devices::{DeviceLimits, DeviceRegistry};
use crate::export::ResponseCache;
use crate::http::extract::large_bodies::LargeBodies;
use crate::http::health::Readiness;
use crate::http::large_answers::LargeAnswers;
use crate::ingest::IngestParts;
use crate::operations::PipelineSamples;
use crate::rate_limit::{HeavyQueries, RateLimiter};
use crate::redis::RedisClient;
use crate::sessions::SignInLimiter;

/// All of them. A handler asks for the parts it uses (`Data<DbPool>`), never for this.
#[derive(Clone)]
pub struct AppState {
    /// Settings.
    pub config: Data<ApiConfig>,
    /// Settings of accounts and tokens.
    pub auth_config: Data<AuthConfig>,
    /// Settings of how browsers and proxies reach us.
    pub web_config: Data<WebConfig>,
    /// Settings of users' cache entries.
    pub cache_config: Data<CacheConfig>,
    /// The time.
    pub clock: Clock,
    /// PostgreSQL, for what is found by its key.
    pub db: Data<DbPool>,
    /// PostgreSQL, for sign-in.
    pub sign_in_db: Data<SignInDb>,
    /// PostgreSQL, for everything that may take long.
    pub heavy_queries: Data<HeavyQueries>,
    /// Redis.
    pub redis: Data<RedisClient>,
    /// Access tokens and revocations.
    pub auth: Data<Auth>,
    /// How often a sign-in may be tried.
    pub sign_in_limiter: Data<SignInLimiter>,
    /// Devices, as ingest needs to know them.
    pub devices: Data<DeviceRegistry>,
    /// How many devices one account may have.
    pub device_limits: DeviceLimits,
    /// What ingest uses.
    pub ingest: Data<IngestParts>,
    /// How much anybody else may ask for.
    pub rate_limiter: Data<RateLimiter>,
    /// Responses of exports.
    pub response_cache: Data<ResponseCache>,
    /// The connection that publishes.
    pub publisher: Data<Publisher>,
    /// Queue depths and dead letters.
    pub broker: Data<BrokerAdmin>,
    /// Where products are imported from.
    pub feed_source: Data<FeedSource>,
    /// The pipeline's counts at the last request for its rates.
    pub pipeline_samples: Data<PipelineSamples>,
    /// Permits for large bodies.
    pub large_bodies: LargeBodies,
    /// Shares of large answers.
    pub large_answers: LargeAnswers,
    /// What `/readyz` asks.
    pub readiness: Data<Readiness>,
    /// What `/metrics` shows.
    pub metrics: Data<PrometheusHandle>,
}

impl AppState {
    /// Hands each part to the handlers of one HTTP thread.
    pub fn provide(&self, services: &mut ServiceConfig) {
        services
            .app_data(self.config.clone())
            .app_data(self.auth_config.clone())
            .app_data(self.web_config.clone())
            .app_data(self.cache_config.clone())
            .app_data(Data::new(self.clock))
            .app_data(self.db.clone())
            .app_data(self.sign_in_db.clone())
            .app_data(self.heavy_queries.clone())
            .app_data(self.redis.clone())
            .app_data(self.auth.clone())
            .app_data(self.sign_in_limiter.clone())
            .app_data(self.devices.clone())
            .app_data(Data::new(self.device_limits))
            .app_data(self.ingest.clone())
            .app_data(self.rate_limiter.clone())
            .app_data(self.response_cache.clone())
            .app_data(self.publisher.clone())
            .app_data(self.broker.clone())
            .app_data(self.feed_source.clone())
            .app_data(self.pipeline_samples.clone())
            .app_data(self.large_bodies.clone())
            .app_data(self.large_answers.clone())
            .app_data(self.readiness.clone())
            .app_data(self.metrics.clone());
    }
}
