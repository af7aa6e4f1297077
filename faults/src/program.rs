//! A program under test: started, watched, killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::Failure;

const READY_TIMEOUT: Duration = Duration::from_secs(60);
/// Longer than the API and the worker give themselves to finish what is in hand.
const END_TIMEOUT: Duration = Duration::from_secs(40);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Bytes of a log that are shown when its program failed.
const TAIL_BYTES: usize = 2_000;

/// How to start a program; it can be started again and again.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// What it is called in messages, and its log's name.
    pub name: String,
    /// The executable.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: &'static [&'static str],
    /// All of its environment.
    pub environment: Vec<(String, String)>,
    /// Where its log goes.
    pub logs: PathBuf,
    /// Answers 200 when it is ready.
    pub ready_url: String,
}

/// A running program; killed when dropped.
pub struct Program {
    recipe: Recipe,
    child: Child,
}

impl Recipe {
    /// Starts it.
    pub fn start(&self) -> Result<Program, Failure> {
        let log = File::options().create(true).append(true).open(self.log())?;
        let child = Command::new(&self.program)
            .args(self.arguments)
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A group of its own: Ctrl-C reaches only us, and we stop things in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot start {}: {error} (build it first)", self.program.display()))?;
        Ok(Program { recipe: self.clone(), child })
    }

    /// Starts it, and waits until it is ready.
    pub async fn start_ready(&self) -> Result<Program, Failure> {
        let mut program = self.start()?;
        program.ready().await?;
        Ok(program)
    }

    fn log(&self) -> PathBuf {
        self.logs.join(format!("{}.log", self.name))
    }
}

impl Program {
    /// Its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Waits until it is ready.
    pub async fn ready(&mut self) -> Result<(), Failure> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).build()?;
        let end = Instant::now() + READY_TIMEOUT;
        loop {
            let answer = client.get(&self.recipe.ready_url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(self.failure(&format!("ended with {status}")));
            }
            if Instant::now() >= end {
                return Err(self.failure("is not ready in time"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// SIGKILL: no chance to finish anything.
    pub async fn kill(&mut self) -> Result<(), Failure> {
        Ok(self.child.kill().await?)
    }

    /// SIGTERM, and waits for its end, which has to be a good one.
    pub async fn terminate(&mut self) -> Result<(), Failure> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).ok_or("it has ended already")?;
        kill_process(pid, Signal::TERM)?;
        match tokio::time::timeout(END_TIMEOUT, self.child.wait()).await {
            Ok(status) if status.as_ref().is_ok_and(std::process::ExitStatus::success) => Ok(()),
            Ok(status) => Err(self.failure(&format!("ended with {status:?} after SIGTERM"))),
            Err(_) => Err(self.failure("does not end after SIGTERM")),
        }
    }

    fn failure(&self, what: &str) -> Failure {
        let log = self.recipe.log();
        format!("{} {what}; the end of {}:\n{}", self.recipe.name, log.display(), tail(&log)).into()
    }
}

fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let end = text.get(text.len().saturating_sub(TAIL_BYTES)..).unwrap_or_default();
    String::from_utf8_lossy(end).into_owned()
}
