//! `pulso-simulator fleet`.

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use pulso_shared::shutdown::Shutdown;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::device::{Device, Intervals, since_1970};
use super::measures::DeviceState;
use super::signal::DeviceModel;
use super::stats::{Counts, Stats};
use super::uplink::Uplink;
use crate::account::{Account, AccountArgs};
use crate::duration;
use crate::enrolment::{EnrolledDevice, enrol};
use crate::failure::Failure;
use crate::random::mix;
use crate::rates::parse_hz;
use crate::screen::Screen;

/// Heartbeats for one sensor reading.
const READING_FACTOR: u32 = 5;
const SHORTEST_READING_INTERVAL: Duration = Duration::from_secs(5);

const ALL_REVOKED: &str =
    "the API no longer knows any of the devices: were they deleted, or is another fleet of this name running?";

/// Settings of the fleet.
#[derive(Debug, Args)]
pub struct FleetArgs {
    #[command(flatten)]
    account: AccountArgs,
    /// Devices; found again by their serial numbers, registered where missing.
    #[arg(long, default_value = "50")]
    devices: NonZeroUsize,
    /// Heartbeats a second of each device.
    #[arg(long, default_value = "0.2", value_parser = parse_hz)]
    hz: f64,
    /// How long, such as 10m; without it, until stopped.
    #[arg(long, value_parser = duration::parse)]
    duration: Option<Duration>,
    /// Another seed makes other devices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Whether the devices have sensors, read at a fifth of the heartbeats' pace (`--readings false`: none).
    #[arg(long, num_args = 0..=1, default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    readings: bool,
    /// First part of the devices' names.
    #[arg(long, default_value = "fleet")]
    name_prefix: String,
}

/// Runs the fleet until it is stopped.
pub async fn run(args: FleetArgs, screen: &Screen) -> Result<ExitCode, Failure> {
    let mut shutdown = Shutdown::on_signal()?;
    let stats = Arc::new(Stats::default());
    let devices = tokio::select! {
        devices = make_devices(&args, &stats, screen) => devices?,
        () = shutdown.requested() => return Ok(ExitCode::SUCCESS),
    };
    let models: Vec<_> = devices.iter().map(|device| device.model).collect();
    let stop = CancellationToken::new();
    let mut running: JoinSet<()> = devices.into_iter().map(|device| device.run(stop.clone())).collect();
    let started_at = Instant::now();
    let end = args.duration.map(|duration| started_at + duration);
    tokio::select! {
        () = show(&stats, &models, screen) => {}
        () = shutdown.requested() => {}
        () = until(end) => {}
        () = all_ended(&mut running) => return Err(ALL_REVOKED.into()),
    }
    stop.cancel();
    all_ended(&mut running).await;
    for line in summary(&stats.take(), started_at.elapsed()) {
        screen.line(&line);
    }
    Ok(ExitCode::SUCCESS)
}

async fn make_devices(args: &FleetArgs, stats: &Arc<Stats>, screen: &Screen) -> Result<Vec<Device>, Failure> {
    let account = Account::sign_in(&args.account).await?;
    let enrolled = enrol(&account, &args.name_prefix, args.devices.get(), screen).await?;
    let heartbeat = Duration::from_secs_f64(1.0 / args.hz);
    let reading = args.readings.then(|| (heartbeat * READING_FACTOR).max(SHORTEST_READING_INTERVAL));
    let intervals = Intervals { heartbeat, reading };
    let device = |enrolled: EnrolledDevice| {
        let seed = mix(args.seed ^ mix(u64::try_from(enrolled.index).unwrap_or(0)));
        Device::new(seed, intervals, Uplink::new(account.client.clone(), enrolled), Arc::clone(stats))
    };
    Ok(enrolled.into_iter().map(device).collect())
}

/// Shows the state of the fleet until it is cancelled.
async fn show(stats: &Stats, models: &[DeviceModel], screen: &Screen) {
    let mut ticks = interval(screen.interval());
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut earlier = (Instant::now(), Counts::default());
    let mut last_refusal = None;
    loop {
        ticks.tick().await;
        let (now, counts) = (Instant::now(), stats.take());
        let states: Vec<DeviceState> = models.iter().map(|model| model.state(since_1970())).collect();
        screen.live(&counts.line(&earlier.1, now - earlier.0, &states));
        if counts.last_refusal != last_refusal {
            last_refusal.clone_from(&counts.last_refusal);
            screen.line(&format!("refused: {}", last_refusal.as_deref().unwrap_or_default()));
        }
        earlier = (now, counts);
    }
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

async fn all_ended(running: &mut JoinSet<()>) {
    while running.join_next().await.is_some() {}
}

fn summary(counts: &Counts, ran: Duration) -> Vec<String> {
    vec![format!(
        "ended after {} s: {} sent, {} accepted, {} requests retried, {} refused, {} dropped",
        ran.as_secs(),
        counts.sent,
        counts.accepted,
        counts.retried,
        counts.refused,
        counts.dropped
    )]
}
