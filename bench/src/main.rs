//! `pulso-bench`: see `--help`.

use clap::Parser;
use pulso_bench::config::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    pulso_bench::run(Cli::parse())
}
