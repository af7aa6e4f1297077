//! What all cases share: the private servers, the settings, the screen.

use std::path::PathBuf;
use std::time::Duration;

use pulso_simulator::screen::Screen;
use ulid::Ulid;

use crate::Failure;
use crate::cli::Cli;
use crate::program::Recipe;
use crate::programs;
use crate::services::{Script, Services};

/// The servers, and how to go about it.
pub struct Site {
    /// Settings.
    pub cli: Cli,
    /// The servers.
    pub services: Services,
    /// What the user sees.
    pub screen: Screen,
    /// Signs the tokens and in as the administrator; good for this run.
    pub secret: String,
    bin_dir: PathBuf,
}

impl Site {
    /// Starts the servers, from nothing, and migrates.
    pub async fn open(cli: Cli) -> Result<Self, Failure> {
        let screen = Screen::default();
        screen.line("starting PostgreSQL, RabbitMQ and Redis, from nothing");
        let bin_dir = match &cli.bin_dir {
            Some(bin_dir) => bin_dir.clone(),
            None => std::env::current_exe()?.parent().map(PathBuf::from).unwrap_or_default(),
        };
        std::fs::create_dir_all(cli.home.join("cases"))?;
        let script = Script::new(&cli.scripts, "services", cli.home.clone(), &cli.home.join("cases"));
        let services = Services::start(script).await?;
        // 160 random bits.
        let secret = format!("{}{}", Ulid::generate(), Ulid::generate());
        let site = Self { cli, services, screen, secret, bin_dir };
        programs::migrate(&site).await?;
        Ok(site)
    }

    /// An executable of ours.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin_dir.join(name)
    }

    /// Where a case keeps its logs and its ledger; empty when it begins.
    pub fn case_folder(&self, case: &str) -> Result<PathBuf, Failure> {
        let folder = self.cli.home.join("cases").join(case.replace('/', "-"));
        if folder.exists() {
            std::fs::remove_dir_all(&folder)?;
        }
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// How long something lasts, in full and with `--quick`, s.
    pub fn lasting(&self, full_s: u64, quick_s: u64) -> Duration {
        Duration::from_secs(if self.cli.quick { quick_s } else { full_s })
    }

    /// The variables that API and worker both need.
    pub fn common_environment(&self) -> Vec<(String, String)> {
        let services = &self.services;
        let pairs = [
            ("DATABASE_URL", services.database_url.as_str()),
            ("AMQP_URL", services.amqp_url.as_str()),
            ("REDIS_URL", services.redis_url.as_str()),
            ("RUST_LOG", "info"),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    /// A recipe that runs in the suite's own folder.
    pub fn recipe(&self, name: &str, program: &str, arguments: &'static [&'static str], logs: PathBuf) -> Recipe {
        Recipe {
            name: name.to_owned(),
            program: self.program(program),
            arguments,
            environment: self.common_environment(),
            logs,
            ready_url: String::new(),
        }
    }
}
