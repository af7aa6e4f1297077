//! The ledger: writes down every reading that got a 2xx, and proves from the database that exactly those are stored.
//!
//! ```text
//!  load ─▶ Journal (file) ─▶ proof (COPY into a temporary table, join) ─▶ table, exit status
//! ```

mod entry;
mod journal;
mod proof;
mod send;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use secrecy::SecretString;

use crate::cli::Failure;
use crate::duration;
use crate::screen::Screen;

/// What the ledger can do.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct LedgerCommand {
    #[command(subcommand)]
    command: Option<LedgerSubcommand>,
    #[command(flatten)]
    send: Option<send::SendArgs>,
}

#[derive(Debug, Subcommand)]
enum LedgerSubcommand {
    /// Send nothing; prove what an earlier run wrote down.
    Verify(VerifyArgs),
}

/// Settings of a proof.
#[derive(Debug, Clone, Args)]
struct VerifyArgs {
    /// Where accepted readings are written down, one a line (appended).
    #[arg(long)]
    file: PathBuf,
    /// The database they must be in.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: SecretString,
    /// How long the database may take until it holds them all.
    #[arg(long, default_value = "60s", value_parser = duration::parse)]
    drain_timeout: Duration,
}

/// Does it. The exit status is 0 when the proof holds, 1 when it does not, 2 when there is none.
///
/// # Errors
/// When nothing could be sent or proved.
pub async fn run(command: LedgerCommand, screen: &Screen) -> Result<ExitCode, Failure> {
    match (command.command, command.send) {
        (Some(LedgerSubcommand::Verify(args)), _) => verify(&args, screen).await,
        (None, Some(args)) => send::run(args, screen).await,
        (None, None) => Err("nothing to do; see pulso-simulator ledger --help".into()),
    }
}

async fn verify(args: &VerifyArgs, screen: &Screen) -> Result<ExitCode, Failure> {
    let proof = proof::prove(args, screen).await?;
    for line in proof.table() {
        screen.line(&line);
    }
    Ok(if proof.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
