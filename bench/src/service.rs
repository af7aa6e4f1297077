//! A program we started, and will stop.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::Failure;
use crate::cpus::CpuList;
use crate::http;

/// Longer than the API and the worker take to finish what they have in hand.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
const READY_TIMEOUT: Duration = Duration::from_secs(60);
const READY_POLL: Duration = Duration::from_millis(50);
/// Lines of a log that are shown when its program failed.
const TAIL_LINES: usize = 15;

/// How to start a program.
pub struct Recipe<'a> {
    /// What it is called in messages and logs.
    pub name: &'static str,
    /// The executable.
    pub program: &'a Path,
    /// Its arguments.
    pub args: &'a [&'a str],
    /// What its environment has beyond ours.
    pub env: &'a [(&'a str, String)],
    /// Where its log goes.
    pub logs: &'a Path,
    /// The processors it may use, where they are others than ours.
    pub cpus: Option<&'a CpuList>,
}

impl Recipe<'_> {
    fn command(&self) -> Command {
        let Some(cpus) = self.cpus else { return Command::new(self.program) };
        // It becomes the program, so the process is the same.
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", cpus.as_str()]).arg(self.program);
        command
    }
}

/// A running program; killed when dropped.
pub struct Service {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts it.
    pub fn start(recipe: &Recipe<'_>) -> Result<Self, Failure> {
        let log = recipe.logs.join(format!("{}.log", recipe.name));
        let file = File::options().create(true).append(true).open(&log)?;
        let child = recipe
            .command()
            .args(recipe.args)
            .envs(recipe.env.iter().map(|(name, value)| (*name, value)))
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            // A group of its own: Ctrl-C reaches only us, and we stop things in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                format!("cannot start {}: {error} (build it first: make build)", recipe.program.display())
            })?;
        Ok(Self { name: recipe.name, child, log })
    }

    /// Runs a program to its end.
    pub async fn run(recipe: &Recipe<'_>) -> Result<(), Failure> {
        let mut service = Self::start(recipe)?;
        if service.child.wait().await?.success() { Ok(()) } else { Err(service.failure()) }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Waits until `url` answers well.
    pub async fn ready(&mut self, url: &str) -> Result<(), Failure> {
        let client = http::client()?;
        let ready = async {
            while !http::is_ok(&client, url).await {
                self.check()?;
                tokio::time::sleep(READY_POLL).await;
            }
            Ok::<(), Failure>(())
        };
        match tokio::time::timeout(READY_TIMEOUT, ready).await {
            Ok(done) => done,
            Err(_) => Err(self.failure()),
        }
    }

    /// Fails when it has ended.
    pub fn check(&mut self) -> Result<(), Failure> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(_) => Err(self.failure()),
        }
    }

    /// Asks it to stop, and insists when it does not.
    pub async fn stop(mut self) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            // It may have ended just now, which is what we want.
            let _ = kill_process(pid, Signal::TERM);
        }
        if tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }

    fn failure(&self) -> Failure {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default().join("\n");
        format!("{} failed; the end of {}:\n{tail}", self.name, self.log.display()).into()
    }
}

/// A port that nobody listens on at this moment.
pub fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}
