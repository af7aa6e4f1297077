//! `pulso-simulator`: see `--help`.

use clap::Parser;
use pulso_simulator::cli::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    pulso_simulator::run(Cli::parse())
}
