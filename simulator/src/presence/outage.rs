//! Devices during an outage of Pulso: most of them survive it, some fail in it.
//!
//! ```text
//!  start ── broken ──── fail_devices ──── repaired ── recovered ── offline_after + 2 s ──▶ finish: verdict
//!  survivors send all the time, and retry while they are refused; the others are silent from fail_devices on
//! ```

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use pulso_shared::clock::Clock;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::outage_verdict::{NOTICED_WITHIN, OutageVerdict};
use super::population::Population;
use super::retrying_device::RetryingDevice;
use super::send_log::{SendLog, collect_in_order};
use crate::failure::Failure;

/// Between the last moment at which a failed device may be noticed and the reading of the timelines.
const MARGIN: TimeDelta = TimeDelta::seconds(1);

/// How long all devices together may take, beyond their interval, until a heartbeat of each has been accepted.
const ALL_ACCEPTED_WITHIN: Duration = Duration::from_secs(30);

/// Devices that send; they end when this is dropped.
pub struct OutageRun {
    population: Population,
    failing: usize,
    started_at: DateTime<Utc>,
    failure: CancellationToken,
    end: DropGuard,
    devices: JoinSet<(usize, SendLog)>,
}

impl OutageRun {
    /// Starts the devices, and waits until a heartbeat of each has been accepted; the first `failing` will fail.
    pub async fn start(population: Population, failing: usize) -> Result<Self, Failure> {
        let senders = population.senders().await?;
        let interval = population.spec().interval;
        let (end, started_at) = (CancellationToken::new(), Clock::system().now());
        let failure = end.child_token();
        let mut devices = JoinSet::new();
        let (until_accepted, mut all_accepted) = mpsc::channel(1);
        for sender in senders {
            let index = sender.index;
            let end = if index < failing { failure.clone() } else { end.clone() };
            let device = RetryingDevice { sender, interval, until_first_accepted: Some(until_accepted.clone()), end };
            devices.spawn(async move { (index, device.run().await) });
        }
        drop(until_accepted);
        // Nothing is ever sent: the channel closes when all devices have dropped their end.
        tokio::time::timeout(interval + ALL_ACCEPTED_WITHIN, all_accepted.recv()).await?;
        Ok(Self { population, failing, started_at, failure, end: end.drop_guard(), devices })
    }

    /// Those devices fail now that are to fail, for good.
    pub fn fail_devices(&self) {
        self.failure.cancel();
    }

    /// Waits until every failed device must have been noticed, ends the others, and compares. `recovered_at`: when Pulso
    /// worked again. The logs are in the devices' order.
    pub async fn finish(
        self,
        recovered_at: DateTime<Utc>,
    ) -> Result<(OutageVerdict, Vec<SendLog>, Population), Failure> {
        let offline_after = self.population.offline_after();
        let noticed_by = recovered_at + offline_after + NOTICED_WITHIN + MARGIN;
        tokio::time::sleep((noticed_by - Clock::system().now()).to_std().unwrap_or(Duration::ZERO)).await;
        drop(self.end);
        let logs = collect_in_order(self.devices).await?;
        // The survivors ended a moment ago: one that is already called offline is so falsely.
        let timelines = self.population.timelines(self.started_at).await?;
        let mut verdict = OutageVerdict::new(recovered_at, offline_after);
        for (place, (log, timeline)) in logs.iter().zip(&timelines).enumerate() {
            if place < self.failing {
                verdict.add_failed(log, timeline);
            } else {
                verdict.add_survivor(log, timeline);
            }
        }
        Ok((verdict, logs, self.population))
    }
}
