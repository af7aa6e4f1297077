//! `pulso-simulator load`.

use std::num::{NonZeroU32, NonZeroUsize};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use pulso_shared::shutdown::Shutdown;

use crate::account::{Account, AccountArgs};
use crate::device_token::exchange_all;
use crate::duration;
use crate::enrolment::enrol;
use crate::failure::Failure;
use crate::load::{HEARTBEATS, LoadPlan, LoadRun, Target};
use crate::progress;
use crate::screen::Screen;

/// Settings of the load.
#[derive(Debug, Args)]
pub struct LoadArgs {
    #[command(flatten)]
    account: AccountArgs,
    /// Devices to send for; found again by their serial numbers, registered where missing.
    #[arg(long, default_value = "1000")]
    devices: NonZeroUsize,
    /// First part of the devices' names.
    #[arg(long, default_value = "load")]
    name_prefix: String,
    /// Connections, open all the time.
    #[arg(long, default_value = "256")]
    connections: NonZeroUsize,
    /// How long to send, such as 30s or 5m.
    #[arg(long, default_value = "30s", value_parser = duration::parse)]
    duration: Duration,
    /// Requests a second (latency then counts from when each should have been sent); without it, as many as possible.
    #[arg(long)]
    rate: Option<f64>,
    /// Send arrays of so many heartbeats instead of single ones.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    array: Option<u32>,
    /// Threads that send.
    #[arg(long, default_value = "1")]
    threads: NonZeroUsize,
}

/// Sends, and prints the results. The exit status is 1 when anything was refused.
pub async fn run(args: LoadArgs, screen: &Screen) -> Result<ExitCode, Failure> {
    let mut shutdown = Shutdown::on_signal()?;
    let target = Target::new(&args.account.url, HEARTBEATS)?;
    let tokens = tokio::select! {
        tokens = tokens(&args, screen) => tokens?,
        () = shutdown.requested() => return Ok(ExitCode::FAILURE),
    };
    let plan = LoadPlan {
        target,
        tokens,
        connections: args.connections,
        threads: args.threads,
        duration: args.duration,
        rate: args.rate,
        array: args.array.and_then(NonZeroU32::new),
        resend_share: 0.0,
        retry_timeout: Duration::from_secs(10),
        journal: None,
    };
    let tally = progress::follow(LoadRun::start(plan)?, screen, &mut shutdown).await?;
    for line in progress::summary(&tally, args.duration) {
        screen.line(&line);
    }
    Ok(if tally.refused == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn tokens(args: &LoadArgs, screen: &Screen) -> Result<Vec<String>, Failure> {
    let account = Account::sign_in(&args.account).await?;
    let devices = enrol(&account, &args.name_prefix, args.devices.get(), screen).await?;
    Ok(exchange_all(&account.client, &devices).await?)
}
