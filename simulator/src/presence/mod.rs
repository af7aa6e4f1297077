//! The offline clock, measured from outside: devices that come and go by a plan that only they know, and then what
//! Pulso has written down about them.
//!
//! ```text
//!  each device ─▶ heartbeats ─▶ Diary: what was accepted      ┐
//!  GET /devices/{id}/timeline ─▶ what Pulso says of it        ┴▶ verdict: missed, false, and how late
//! ```

mod device;
mod verdict;

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};
use pulso_shared::clock::Clock;
use pulso_shared::shutdown::Shutdown;
use serde_json::json;
use tokio::time::Instant;

use crate::account::{Account, AccountArgs};
use crate::api_client::CallError;
use crate::cli::Failure;
use crate::device_token::exchange_all;
use crate::duration;
use crate::enrolment::{EnrolledDevice, enrol};
use crate::screen::Screen;
use device::{Diary, Life};
use verdict::{Timeline, Verdict};

/// Calls under way at once.
const CALLS_AT_ONCE: usize = 16;
/// How long the clock has, after the sending has ended, to notice what fell silent before.
const SETTLE: Duration = Duration::from_secs(5);

/// Settings of the measurement.
#[derive(Debug, Clone, Args)]
pub struct PresenceArgs {
    #[command(flatten)]
    account: AccountArgs,
    /// Devices, registered where missing.
    #[arg(long, default_value = "10000")]
    devices: NonZeroUsize,
    /// How many of them come and go, %.
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
///
/// # Errors
/// When the devices cannot be made ready, or their timelines cannot be read.
pub async fn run(args: PresenceArgs, screen: &Screen) -> Result<ExitCode, Failure> {
    let mut shutdown = Shutdown::on_signal()?;
    let measured = tokio::select! {
        measured = measure(&args, screen) => measured?,
        () = shutdown.ordered() => return Ok(ExitCode::FAILURE),
    };
    for line in measured.lines() {
        screen.line(&line);
    }
    Ok(if measured.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn measure(args: &PresenceArgs, screen: &Screen) -> Result<Verdict, Failure> {
    let account = Account::sign_in(&args.account).await?;
    let devices = enrol(&account, &args.name_prefix, args.devices.get(), screen).await?;
    set_timeouts(&account, &devices, args.offline_after_s).await?;
    let tokens = exchange_all(&account.client, &devices).await?;
    let started_at = Clock.now();
    let diaries = live(args, &devices, tokens, screen).await?;
    tokio::time::sleep(SETTLE).await;
    // Enrolling many devices and living may have taken longer than a token lives.
    let account = Account::sign_in(&args.account).await?;
    screen.line("reading the timelines");
    let timelines = read_timelines(&account, &devices, started_at).await?;
    let offline_after = TimeDelta::seconds(args.offline_after_s.into());
    let mut verdict = Verdict::new(args.devices.get(), args.limit_ms);
    for (diary, timeline) in diaries.iter().zip(&timelines) {
        verdict.compare(diary, timeline, offline_after);
    }
    Ok(verdict)
}

/// All devices' lives, side by side, until the end.
async fn live(
    args: &PresenceArgs,
    devices: &[EnrolledDevice],
    tokens: Vec<String>,
    screen: &Screen,
) -> Result<Vec<Diary>, Failure> {
    let account = Arc::new(Account::sign_in(&args.account).await?);
    let flapping = args.devices.get().saturating_mul(usize::try_from(args.flapping)?) / 100;
    screen.line(&format!("{} devices send for {:?}, {flapping} of them come and go", devices.len(), args.duration));
    let end = Instant::now() + args.duration;
    let lives: Vec<_> = devices
        .iter()
        .zip(tokens)
        .map(|(device, token)| {
            let life = Life {
                account: Arc::clone(&account),
                id: device.id,
                index: device.index,
                token,
                interval: args.interval,
                offline_after: Duration::from_secs(args.offline_after_s.into()),
                flaps: device.index < flapping,
                end,
            };
            tokio::spawn(life.live())
        })
        .collect();
    let mut diaries = Vec::with_capacity(lives.len());
    for life in lives {
        diaries.push(life.await?);
    }
    Ok(diaries)
}

async fn set_timeouts(account: &Account, devices: &[EnrolledDevice], offline_after_s: u32) -> Result<(), CallError> {
    let body = &json!({ "offline_after_s": offline_after_s });
    let calls = stream::iter(devices).map(|device| async move {
        let address = account.client.address(&format!("/api/v1/devices/{}", device.id));
        let patch = |http: &reqwest::Client| http.patch(&address).bearer_auth(account.token()).json(body);
        account.client.answer(patch).await.map(|_| ())
    });
    calls.buffer_unordered(CALLS_AT_ONCE).try_collect().await
}

async fn read_timelines(
    account: &Account,
    devices: &[EnrolledDevice],
    started_at: DateTime<Utc>,
) -> Result<Vec<Timeline>, CallError> {
    let start = started_at.format("%Y-%m-%dT%H:%M:%S%.6fZ");
    let calls = stream::iter(devices).map(|device| {
        let address =
            account.client.address(&format!("/api/v1/devices/{}/timeline?start={start}&limit=1000", device.id));
        async move { account.client.call(|http| http.get(&address).bearer_auth(account.token())).await }
    });
    calls.buffered(CALLS_AT_ONCE).try_collect().await
}
