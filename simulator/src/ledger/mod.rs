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

use clap::{ArgMatches, Args, Command, FromArgMatches};
use secrecy::SecretString;

use crate::cli::Failure;
use crate::duration;
use crate::screen::Screen;
pub use journal::FileJournal;
pub use proof::{Proof, prove};
pub use send::SendArgs;

/// The subcommand that only proves.
const VERIFY: &str = "verify";

/// What the ledger can do.
#[derive(Debug)]
pub enum LedgerCommand {
    /// Send, write down, prove.
    Send(Box<SendArgs>),
    /// Prove what an earlier run wrote down.
    Verify(VerifyArgs),
}

// By hand, because clap's derive cannot make arguments required only where there is no subcommand.
impl FromArgMatches for LedgerCommand {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        match matches.subcommand() {
            Some((VERIFY, matches)) => VerifyArgs::from_arg_matches(matches).map(Self::Verify),
            _ => SendArgs::from_arg_matches(matches).map(|args| Self::Send(Box::new(args))),
        }
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for LedgerCommand {
    fn augment_args(command: Command) -> Command {
        let verify = Command::new(VERIFY).about("Send nothing; prove what an earlier run wrote down");
        SendArgs::augment_args(command)
            .subcommand(VerifyArgs::augment_args(verify))
            .args_conflicts_with_subcommands(true)
            .subcommand_negates_reqs(true)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// Settings of a proof.
#[derive(Debug, Clone, Args)]
pub struct VerifyArgs {
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

impl VerifyArgs {
    /// A proof of what is in `file` from the database at `database_url`, which may take so long to hold it all.
    #[must_use]
    pub fn new(file: PathBuf, database_url: SecretString, drain_timeout: Duration) -> Self {
        Self { file, database_url, drain_timeout }
    }
}

/// Does it. The exit status is 0 when the proof holds, 1 when it does not, 2 when there is none.
///
/// # Errors
/// When nothing could be sent or proved.
pub async fn run(command: LedgerCommand, screen: &Screen) -> Result<ExitCode, Failure> {
    match command {
        LedgerCommand::Send(args) => send::run(*args, screen).await,
        LedgerCommand::Verify(args) => verify(&args, screen).await,
    }
}

async fn verify(args: &VerifyArgs, screen: &Screen) -> Result<ExitCode, Failure> {
    let proof = proof::prove(args, screen).await?;
    for line in proof.table() {
        screen.line(&line);
    }
    Ok(if proof.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
