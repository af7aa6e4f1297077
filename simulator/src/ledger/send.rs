//! `pulso-simulator ledger` without a subcommand: sends, records, proves.

use std::num::{NonZeroU32, NonZeroUsize};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use pulso_shared::shutdown::Shutdown;

use super::journal::FileJournal;
use super::prove::VerifyArgs;
use super::verify::verify;
use crate::account::{Account, AccountArgs};
use crate::device_token::exchange_all;
use crate::duration;
use crate::enrolment::{EnrolledDevice, enrol};
use crate::failure::Failure;
use crate::load::{HEARTBEATS, LoadPlan, LoadRun, Target};
use crate::progress;
use crate::rates::{parse_hz, parse_share};
use crate::screen::Screen;

/// Connections at a fixed rate: more than that rate needs unless the API stalls.
const FIXED_RATE_CONNECTIONS: usize = 256;
/// Exit status: stopped before anything was proved.
const NOT_PROVED: u8 = 2;

/// Settings of the sending.
#[derive(Debug, Args)]
pub struct SendArgs {
    #[command(flatten)]
    account: AccountArgs,
    #[command(flatten)]
    verify: VerifyArgs,
    /// Devices to send for; found again by their serial numbers, registered where missing.
    #[arg(long, default_value = "100")]
    devices: NonZeroUsize,
    /// First part of the devices' names.
    #[arg(long, default_value = "ledger")]
    name_prefix: String,
    /// Heartbeats a second of each device.
    #[arg(long, conflicts_with = "connections", value_parser = parse_hz)]
    hz: Option<f64>,
    /// Instead: so many connections, each sending as soon as it has its answer.
    #[arg(long, default_value = "64")]
    connections: NonZeroUsize,
    /// How long to send.
    #[arg(long, default_value = "30s", value_parser = duration::parse)]
    duration: Duration,
    /// Send arrays of so many heartbeats instead of single ones.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    array: Option<u32>,
    /// Share of accepted requests that are sent a second time on purpose.
    #[arg(long, default_value_t = 0.02, value_parser = parse_share)]
    resend_share: f64,
    /// How long after the end a request without a final answer is tried again.
    #[arg(long, default_value = "60s", value_parser = duration::parse)]
    patience: Duration,
    /// Threads that send.
    #[arg(long, default_value = "1")]
    threads: NonZeroUsize,
}

pub(super) async fn run(args: SendArgs, screen: &Screen) -> Result<ExitCode, Failure> {
    let mut shutdown = Shutdown::on_signal()?;
    let (devices, tokens) = tokio::select! {
        ready = make_ready(&args, screen) => ready?,
        () = shutdown.requested() => return Ok(ExitCode::from(NOT_PROVED)),
    };
    let ids = devices.iter().map(|device| device.id).collect();
    let journal = FileJournal::open(&args.verify.file, ids);
    let journal = Arc::new(journal.map_err(|error| format!("{}: {error}", args.verify.file.display()))?);
    let load = LoadRun::start(plan(&args, tokens, Arc::clone(&journal))?)?;
    let tally = progress::follow(load, screen, &mut shutdown).await;
    journal.close().map_err(|error| format!("{}: {error}", args.verify.file.display()))?;
    let tally = tally?;
    for line in progress::summary(&tally, args.duration) {
        screen.line(&line);
    }
    screen.line(&format!("resent      {} on purpose after they had been accepted", tally.resent));
    if shutdown.is_requested() {
        let file = args.verify.file.display();
        screen.line(&format!("stopped; to prove it later: pulso-simulator ledger verify --file {file}"));
        return Ok(ExitCode::from(NOT_PROVED));
    }
    tokio::select! {
        proved = verify(&args.verify, screen) => proved,
        () = shutdown.requested() => Ok(ExitCode::from(NOT_PROVED)),
    }
}

async fn make_ready(args: &SendArgs, screen: &Screen) -> Result<(Vec<EnrolledDevice>, Vec<String>), Failure> {
    let account = Account::sign_in(&args.account).await?;
    let devices = enrol(&account, &args.name_prefix, args.devices.get(), screen).await?;
    let tokens = exchange_all(&account.client, &devices).await?;
    Ok((devices, tokens))
}

fn plan(args: &SendArgs, tokens: Vec<String>, journal: Arc<FileJournal>) -> Result<LoadPlan, Failure> {
    let devices = f64::from(u32::try_from(args.devices.get())?);
    let fixed = NonZeroUsize::new(args.devices.get().min(FIXED_RATE_CONNECTIONS)).unwrap_or(NonZeroUsize::MIN);
    Ok(LoadPlan {
        target: Target::new(&args.account.url, HEARTBEATS)?,
        tokens,
        connections: if args.hz.is_some() { fixed } else { args.connections },
        threads: args.threads,
        duration: args.duration,
        rate: args.hz.map(|hz| hz * devices / f64::from(args.array.unwrap_or(1))),
        array: args.array.and_then(NonZeroU32::new),
        resend_share: args.resend_share,
        retry_timeout: args.patience,
        journal: Some(journal),
    })
}
