//! What the worker does beside storing: each job is a supervised task, repeats itself, and survives its database.
//!
//! ```text
//!  partitions  creates partitions before there are rows for them    one worker at a time
//!  throughput  writes what this worker stored, by owner             every worker
//!  retention   purges what deleted accounts and devices left (every worker); drops what is too old (one worker at a time)
//!  rollup      computes rollups                                     one worker at a time
//!  presence    this worker's watermark (every worker); offline detection (one worker at a time)
//! ```

mod leader;
mod partitions;
mod presence;
mod repeat;
mod retention;
mod rollup;
mod throughput;

use std::sync::Arc;

use pulso_shared::clock::Clock;
use pulso_shared::supervisor::Supervisor;
use pulso_shared::throughput::ThroughputCounter;
use secrecy::SecretString;

pub use partitions::create_first as create_first_partitions;
pub use presence::WatermarkReporter;
pub use retention::RetentionPolicy;

/// What the jobs need.
pub struct JobSettings {
    pub database_url: SecretString,
    pub retention: RetentionPolicy,
    pub throughput: Arc<ThroughputCounter>,
    pub clock: Clock,
}

/// Starts every job, except for the watermark, which has to come before consuming.
pub fn spawn_all(supervisor: &mut Supervisor, settings: JobSettings) {
    let JobSettings { database_url: url, retention, throughput, clock } = settings;
    supervisor.spawn_background("partitions", partitions::run(url.clone(), retention, clock));
    supervisor.spawn_background("throughput", throughput::run(url.clone(), throughput, clock));
    supervisor.spawn_background("purge of accounts", retention::run_account_purge(url.clone()));
    supervisor.spawn_background("purge of devices", retention::run_device_purge(url.clone()));
    supervisor.spawn_background("expiry", retention::run_expiry(url.clone(), retention, clock));
    supervisor.spawn_background("rollup", rollup::run(url.clone(), clock));
    supervisor.spawn_background("offline detector", presence::run_offline_detector(url, clock));
}
