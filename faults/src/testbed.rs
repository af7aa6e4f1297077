//! What all cases share: the private servers, the settings, the output.

use std::path::PathBuf;
use std::time::Duration;

use pulso_simulator::screen::Screen;
use pulso_testkit::{Failure, own_folder};
use ulid::Ulid;

use crate::cli::Cli;
use crate::private_servers::PrivateServers;
use crate::script::Script;

/// What every case is given.
pub struct Testbed {
    /// Settings.
    pub cli: Cli,
    /// The servers.
    pub servers: PrivateServers,
    /// Output for the user.
    pub screen: Screen,
    /// Signs the tokens, and is the administrator's password; of this run only.
    pub secret: String,
    bin_folder: PathBuf,
}

impl Testbed {
    /// Starts the servers, without any data.
    pub async fn start(cli: Cli) -> Result<Self, Failure> {
        let screen = Screen::default();
        screen.line("starting PostgreSQL, RabbitMQ and Redis, from nothing");
        let bin_folder = cli.bin_dir.clone().map_or_else(own_folder, Ok)?;
        std::fs::create_dir_all(cli.home.join("cases"))?;
        let script = Script::new(&cli.scripts, "services", cli.home.clone(), &cli.home.join("cases"));
        let servers = PrivateServers::start(script).await?;
        // 160 random bits.
        let secret = format!("{}{}", Ulid::generate(), Ulid::generate());
        Ok(Self { cli, servers, screen, secret, bin_folder })
    }

    /// One of our executables.
    pub fn executable(&self, name: &str) -> PathBuf {
        self.bin_folder.join(name)
    }

    /// The folder of a case's logs and its ledger, emptied.
    pub fn case_folder(&self, case: &str) -> Result<PathBuf, Failure> {
        let folder = self.cli.home.join("cases").join(case.replace('/', "-"));
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// How long something lasts: `full_s`, or `quick_s` with `--quick`, s.
    pub fn lasting(&self, full_s: u64, quick_s: u64) -> Duration {
        Duration::from_secs(if self.cli.quick { quick_s } else { full_s })
    }
}
