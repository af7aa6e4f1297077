//! `pulso-api`: see `--help`.

use pulso_api::cli::{self, Cli};
use pulso_shared::config;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let (cli, settings) = config::parse::<Cli>();
    cli::run(cli, &settings)
}
