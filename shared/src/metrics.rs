//! The process's metrics in the Prometheus format.

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

/// What renders the metrics.
pub use metrics_exporter_prometheus::PrometheusHandle;

/// Bounds of latency histograms, s: from a fast confirm to a stalled disk.
const LATENCY_BUCKETS: &[f64] = &[0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 30.0];
/// Bounds of size histograms.
const SIZE_BUCKETS: &[f64] =
    &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0, 10_000.0];
/// Until its samples are sorted into buckets, a histogram keeps each of them in memory.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Installs the process's recorder; the handle renders what `/metrics` shows, and needs [`run_upkeep`].
pub fn install() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), LATENCY_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_size".into()), SIZE_BUCKETS)?
        .install_recorder()
}

/// Sorts the histograms' samples into their buckets, for as long as the process runs.
pub async fn run_upkeep(handle: PrometheusHandle) {
    loop {
        tokio::time::sleep(UPKEEP_EVERY).await;
        handle.run_upkeep();
    }
}
