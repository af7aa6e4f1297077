//! `pulso-api`: see `--help`.

use clap::Parser;
use pulso_api::config::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    pulso_api::run(Cli::parse())
}
