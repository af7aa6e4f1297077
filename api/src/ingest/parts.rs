//! What ingest uses of the process.

use std::rc::Rc;

use actix_web::web::Data;
use chrono::TimeDelta;
use pulso_shared::clock::Clock;

use super::item::GivenTimestamps;
use super::limit::{IngestLimiter, UsageCounter};
use super::stored::StoredWatch;
use crate::auth::Auth;
use crate::broker::BatchingPublisher;
use crate::config::ApiConfig;
use crate::devices::DeviceRegistry;

/// The parts that all HTTP threads share.
pub struct IngestParts {
    pub clock: Clock,
    pub auth: Data<Auth>,
    pub devices: Data<DeviceRegistry>,
    pub limiter: IngestLimiter,
    pub given_timestamps: GivenTimestamps,
    pub stored_watch: StoredWatch,
    /// Oldest timestamp accepted.
    pub max_age: TimeDelta,
    /// Whether devices registered with `ingest_auth: "open"` may send without a credential.
    pub allow_open: bool,
}

impl IngestParts {
    pub fn new(
        config: &ApiConfig,
        clock: Clock,
        auth: Data<Auth>,
        devices: Data<DeviceRegistry>,
        stored_watch: StoredWatch,
    ) -> Self {
        Self {
            clock,
            auth,
            devices,
            limiter: IngestLimiter::new(config.ingest.ingest_max_hz),
            given_timestamps: GivenTimestamps::default(),
            stored_watch,
            max_age: TimeDelta::days(i64::from(config.max_age_days())),
            allow_open: config.ingest.allow_open_ingest,
        }
    }
}

/// The same, with what each HTTP thread has of its own; cheap to clone, and not `Send`.
#[derive(Clone)]
pub struct IngestThread(Rc<Inner>);

struct Inner {
    shared: Data<IngestParts>,
    publisher: BatchingPublisher,
    usage: UsageCounter,
}

impl IngestThread {
    pub fn new(shared: Data<IngestParts>, publisher: BatchingPublisher) -> Self {
        let usage = shared.limiter.usage_counter();
        Self(Rc::new(Inner { shared, publisher, usage }))
    }

    pub fn parts(&self) -> &IngestParts {
        &self.0.shared
    }

    /// The parts, for work beside the HTTP threads.
    pub fn shared_parts(&self) -> Data<IngestParts> {
        self.0.shared.clone()
    }

    pub fn publisher(&self) -> &BatchingPublisher {
        &self.0.publisher
    }

    /// What devices used of their budgets on this thread.
    pub fn usage(&self) -> &UsageCounter {
        &self.0.usage
    }
}
