//! Devices that flap while Pulso works, and how late it notices.

use std::time::Duration;

use chrono::{DateTime, Utc};
use pulso_shared::clock::Clock;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::flapping_device::FlappingDevice;
use super::flapping_verdict::FlappingVerdict;
use super::population::Population;
use super::send_log::{SendLog, collect_in_order};
use crate::failure::Failure;
use crate::screen::Screen;

/// How long the offline detector has, after the end of the sending, to notice earlier silences.
const SETTLE: Duration = Duration::from_secs(5);

/// Settings of the measurement.
#[derive(Debug, Clone, Copy)]
pub struct FlappingRun {
    /// How many devices flap, %.
    pub share: u32,
    /// How long to send.
    pub duration: Duration,
    /// How late a silence may be noticed, at the 99th percentile, ms.
    pub limit_ms: u32,
}

impl FlappingRun {
    /// Runs the devices, and compares their logs with their timelines. The logs are in the devices' order.
    pub async fn measure(
        self,
        population: &Population,
        screen: &Screen,
    ) -> Result<(FlappingVerdict, Vec<SendLog>), Failure> {
        let devices = population.spec().devices.get();
        let flapping = devices.saturating_mul(usize::try_from(self.share)?) / 100;
        screen.line(&format!("{devices} devices send for {:?}, {flapping} of them flap", self.duration));
        let started_at: DateTime<Utc> = Clock::system().now();
        let logs = collect_in_order(self.start(population, flapping).await?).await?;
        tokio::time::sleep(SETTLE).await;
        screen.line("reading the timelines");
        let timelines = population.timelines(started_at).await?;
        let mut verdict = FlappingVerdict::new(devices, flapping, self.limit_ms);
        for (log, timeline) in logs.iter().zip(&timelines) {
            verdict.compare(log, timeline, population.offline_after());
        }
        Ok((verdict, logs))
    }

    async fn start(self, population: &Population, flapping: usize) -> Result<JoinSet<(usize, SendLog)>, Failure> {
        let senders = population.senders().await?;
        let (interval, offline_after) = (population.spec().interval, population.offline_after().to_std()?);
        let end = Instant::now() + self.duration;
        let mut devices = JoinSet::new();
        for sender in senders {
            let index = sender.index;
            let device = FlappingDevice { flaps: index < flapping, sender, interval, offline_after, end };
            devices.spawn(async move { (index, device.run().await) });
        }
        Ok(devices)
    }
}
