//! What every handler may use.

use metrics_exporter_prometheus::PrometheusHandle;
use pulso_shared::clock::Clock;
use pulso_shared::db::DbPool;

use crate::cache::Cache;
use crate::config::ApiConfig;
use crate::devices::DeviceRegistry;
use crate::fleet::Throughput;
use crate::history::Answers;
use crate::ingest::{GivenTimestamps, IngestLimiter, StoredWatch};
use crate::limits::Limits;
use crate::operations::PipelineSamples;
use crate::publisher::Publisher;
use crate::revocations::Revocations;
use crate::tokens::Tokens;

/// One a process, shared by all its threads.
pub struct AppState {
    /// Settings.
    pub config: ApiConfig,
    /// The time.
    pub clock: Clock,
    /// PostgreSQL.
    pub db: DbPool,
    /// Redis.
    pub cache: Cache,
    /// Access tokens.
    pub tokens: Tokens,
    /// What no longer counts.
    pub revocations: Revocations,
    /// Devices, as ingest needs to know them.
    pub devices: DeviceRegistry,
    /// How much each device may send.
    pub limiter: IngestLimiter,
    /// How much anybody else may ask for.
    pub limits: Limits,
    /// Timestamps for readings that bring none.
    pub given_timestamps: GivenTimestamps,
    /// Where requests wait for their rows to be committed.
    pub stored_watch: StoredWatch,
    /// How many readings of which devices were accepted.
    pub throughput: Throughput,
    /// Answers that need not be made again.
    pub answers: Answers,
    /// The link to RabbitMQ.
    pub publisher: Publisher,
    /// The pipeline's counts at the last look.
    pub pipeline_samples: PipelineSamples,
    /// What `/metrics` shows.
    pub metrics: PrometheusHandle,
}
