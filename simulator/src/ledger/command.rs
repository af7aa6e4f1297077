//! `pulso-simulator ledger`.

use std::process::ExitCode;

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::prove::VerifyArgs;
use super::send::{self, SendArgs};
use super::verify::verify;
use crate::failure::Failure;
use crate::screen::Screen;

/// The subcommand that only proves.
const VERIFY: &str = "verify";

/// What the ledger can do.
#[derive(Debug)]
pub enum LedgerCommand {
    /// Send, record, prove.
    Send(Box<SendArgs>),
    /// Prove what an earlier run recorded.
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

/// Runs it. The exit status is 0 when the proof holds, 1 when it does not, 2 when there is none.
pub async fn run(command: LedgerCommand, screen: &Screen) -> Result<ExitCode, Failure> {
    match command {
        LedgerCommand::Send(args) => send::run(*args, screen).await,
        LedgerCommand::Verify(args) => verify(&args, screen).await,
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, Command, FromArgMatches};

    use super::LedgerCommand;

    fn parse(arguments: &str) -> Result<LedgerCommand, clap::Error> {
        let command = LedgerCommand::augment_args(Command::new("ledger"));
        let arguments = ["ledger"].into_iter().chain(arguments.split_whitespace());
        LedgerCommand::from_arg_matches(&command.try_get_matches_from(arguments)?)
    }

    #[test]
    fn what_the_sending_needs_is_not_needed_where_nothing_is_sent() {
        let verify = parse("verify --file l.txt --database-url postgres://h/d");
        assert!(matches!(verify, Ok(LedgerCommand::Verify(_))), "{verify:?}");
        let send = parse("--file l.txt --database-url postgres://h/d --username u --password p --hz 2");
        assert!(matches!(send, Ok(LedgerCommand::Send(_))), "{send:?}");
        assert!(parse("--file l.txt --database-url postgres://h/d").is_err(), "nobody to send as");
        assert!(parse("verify --file l.txt --database-url d --username u").is_err(), "verify sends nothing");
    }
}
