//! How the programs of one run are started: from one folder, with one environment, with their logs in one folder.

use std::path::{Path, PathBuf};

use pulso_testkit::{Failure, LogTarget, Program, own_folder};

use crate::cpus::CpuList;

/// What the programs of one run have in common.
pub struct Launcher {
    bin_folder: PathBuf,
    /// What their environment has beyond ours.
    environment: Vec<(String, String)>,
    log_folder: PathBuf,
}

impl Launcher {
    /// Creates the folder of the logs. The executables are in `bin_folder`, or beside this program.
    pub fn new(
        bin_folder: Option<&Path>,
        environment: impl IntoIterator<Item = (&'static str, String)>,
        log_folder: PathBuf,
    ) -> Result<Self, Failure> {
        std::fs::create_dir_all(&log_folder)?;
        Ok(Self {
            bin_folder: bin_folder.map_or_else(own_folder, |folder| Ok(folder.to_owned()))?,
            environment: environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            log_folder,
        })
    }

    /// One of the executables; its log is called `name`.
    pub fn program(&self, name: &str, executable: &str, arguments: &[&str], cpus: Option<&CpuList>) -> Program {
        Program {
            name: name.to_owned(),
            executable: self.bin_folder.join(executable),
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            environment: self.environment.clone(),
            inherits_environment: true,
            cpus: cpus.map(|cpus| cpus.as_str().to_owned()),
            own_process_group: true,
            log: LogTarget::Folder(self.log_folder.clone()),
        }
    }

    /// Brings the schema up to date.
    pub async fn migrate(&self) -> Result<(), Failure> {
        self.program("migration", "pulso-api", &["migrate"], None).output().await.map(drop)
    }

    /// Where the logs are.
    pub fn log_folder(&self) -> &Path {
        &self.log_folder
    }
}
