//! `pulso-simulator presence`.

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use pulso_shared::shutdown::Shutdown;

use super::flapping::FlappingRun;
use super::flapping_verdict::FlappingVerdict;
use super::population::{Population, PopulationSpec};
use crate::account::AccountArgs;
use crate::duration;
use crate::failure::Failure;
use crate::screen::Screen;

/// Settings of the measurement.
#[derive(Debug, Clone, Args)]
pub struct PresenceArgs {
    #[command(flatten)]
    account: AccountArgs,
    /// Devices, registered where missing.
    #[arg(long, default_value = "10000")]
    devices: NonZeroUsize,
    /// How many of them flap, %.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=100))]
    flapping: u32,
    /// First part of the devices' names.
    #[arg(long, default_value = "presence")]
    name_prefix: String,
    /// How long to send, such as 30s or 5m.
    #[arg(long, default_value = "2m", value_parser = duration::parse)]
    duration: Duration,
    /// How long each device may be silent, s.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    offline_after_s: u32,
    /// How often a device sends.
    #[arg(long, default_value = "5s", value_parser = duration::parse)]
    interval: Duration,
    /// How late a silence may be noticed, at the 99th percentile, ms.
    #[arg(long, default_value_t = 2_000)]
    limit_ms: u32,
}

/// Measures. The exit status is 0 when every silence was noticed in time and no device was called offline that was not.
pub async fn run(args: PresenceArgs, screen: &Screen) -> Result<ExitCode, Failure> {
    let mut shutdown = Shutdown::on_signal()?;
    let verdict = tokio::select! {
        verdict = measure(args, screen) => verdict?,
        () = shutdown.requested() => return Ok(ExitCode::FAILURE),
    };
    for line in verdict.lines() {
        screen.line(&line);
    }
    Ok(if verdict.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(args: PresenceArgs, screen: &Screen) -> Result<FlappingVerdict, Failure> {
    let spec = PopulationSpec {
        owner: args.account,
        name_prefix: args.name_prefix,
        devices: args.devices,
        offline_after_s: args.offline_after_s,
        interval: args.interval,
    };
    let population = Population::enrol(spec, screen).await?;
    let flapping = FlappingRun { share: args.flapping, duration: args.duration, limit_ms: args.limit_ms };
    let (verdict, _) = flapping.measure(&population, screen).await?;
    Ok(verdict)
}
