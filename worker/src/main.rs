//! `pulso-worker`: see `--help`.

use clap::Parser;
use pulso_worker::config::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    pulso_worker::run(Cli::parse())
}
