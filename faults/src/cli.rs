//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// Breaks Pulso in every way that its promises have to outlast, and proves from a ledger that nothing was lost.
///
/// The exit status is 0 when every case has passed (or was skipped, with its reason), 1 when one has not, and 2 when
/// the suite itself could not go on.
#[derive(Debug, Clone, Parser)]
#[command(name = "pulso-faults", version)]
pub struct Cli {
    /// Only these: a group, or GROUP/CASE. May be given several times.
    #[arg(long, value_name = "GROUP[/CASE]")]
    pub only: Vec<String>,
    /// Short outages and a short soak: minutes in all instead of about an hour and a quarter.
    #[arg(long)]
    pub quick: bool,
    /// Name the cases, and what they do.
    #[arg(long)]
    pub list: bool,
    /// Heartbeats a second while something is broken.
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(10..=20_000))]
    pub rate: u32,
    /// Heartbeats a second of the soak; with --quick: as --rate.
    #[arg(long, default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(10..=50_000))]
    pub soak_rate: u32,
    /// Where the private servers and all logs live.
    #[arg(long, env = "PULSO_FAULTS_HOME", default_value = ".pulso/faults")]
    pub home: PathBuf,
    /// The folder with the scripts that start the servers.
    #[arg(long, default_value = "scripts")]
    pub scripts: PathBuf,
    /// The folder with pulso-api and pulso-worker (default: beside this program).
    #[arg(long)]
    pub bin_dir: Option<PathBuf>,
}
