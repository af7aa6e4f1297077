//! The command line.

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;
use crate::screen::Screen;
use crate::{fleet, ledger, load_command, presence, seed};

/// Exit status: it could not be done.
const FAILED: u8 = 2;

/// Simulated devices for Pulso: a fleet to look at, a load to measure with, a ledger that proves nothing is lost.
#[derive(Debug, Parser)]
#[command(name = "pulso-simulator", version)]
pub struct Cli {
    /// What to simulate.
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Devices with believable signals that heartbeat until stopped.
    Fleet(fleet::FleetArgs),
    /// Send, write down what was accepted, and prove that exactly that is stored.
    Ledger(ledger::LedgerCommand),
    /// As many heartbeats as possible, or at a fixed rate, and how they were answered.
    Load(load_command::LoadArgs),
    /// Devices that come and go, and how late Pulso notices; 1 when too late, or when it blames one that was there.
    Presence(presence::PresenceArgs),
    /// Products, users, tasks and a cart to look at; made once.
    Seed(seed::SeedArgs),
}

/// Runs what the command line asks for.
pub fn run(cli: Cli) -> ExitCode {
    let done = runtime().map_err(Failure::from).and_then(|rt| rt.block_on(act(cli.command)));
    done.unwrap_or_else(|failure| {
        Screen::default().line(&format!("pulso-simulator: {failure}"));
        ExitCode::from(FAILED)
    })
}

/// One thread: a load has threads of its own, and a fleet has little to do.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

async fn act(command: Command) -> Result<ExitCode, Failure> {
    let screen = Screen::default();
    match command {
        Command::Fleet(args) => fleet::run(args, &screen).await,
        Command::Ledger(command) => ledger::run(command, &screen).await,
        Command::Load(args) => load_command::run(args, &screen).await,
        Command::Presence(args) => presence::run(args, &screen).await,
        Command::Seed(args) => seed::run(args, &screen).await,
    }
}
