//! `pulso-worker`: see `--help`.

use pulso_shared::config;
use pulso_worker::config::Cli;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let (cli, settings) = config::parse::<Cli>();
    pulso_worker::run(cli, &settings)
}
