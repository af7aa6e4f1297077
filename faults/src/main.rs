//! `pulso-faults`: see `--help`.

use clap::Parser;
use pulso_faults::cli::Cli;

fn main() -> std::process::ExitCode {
    pulso_faults::run(Cli::parse())
}
