//! The private servers: started by `scripts/services`, killed and stopped by pid.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::Command;

use crate::Failure;

/// A server that does not end in this time does not end.
const STOP_TIMEOUT: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// One of the two that are ended whole; Redis is reached through a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// PostgreSQL.
    Postgres,
    /// RabbitMQ.
    RabbitMq,
}

impl Server {
    /// The variable of its pid in what `scripts/services env` prints.
    fn pid_variable(self) -> &'static str {
        match self {
            Self::Postgres => "PG_PID",
            Self::RabbitMq => "RABBITMQ_PID",
        }
    }

    /// What makes it stop in good order.
    fn gentle(self) -> Signal {
        match self {
            // A fast shutdown; SIGTERM would wait for everybody to leave.
            Self::Postgres => Signal::INT,
            Self::RabbitMq => Signal::TERM,
        }
    }
}

/// A script of ours, and the folder that it works on.
#[derive(Debug, Clone)]
pub struct Script {
    program: PathBuf,
    home: PathBuf,
    log: PathBuf,
}

impl Script {
    /// The script `name` on `home`; what it says goes into a log below `logs`.
    pub fn new(scripts: &Path, name: &str, home: PathBuf, logs: &Path) -> Self {
        Self { program: scripts.join(name), home, log: logs.join(format!("{name}.log")) }
    }

    /// Runs it to its end and returns what it printed.
    pub async fn run(&self, arguments: &[&str]) -> Result<String, Failure> {
        let log = std::fs::File::options().create(true).append(true).open(&self.log)?;
        let mut command = Command::new(&self.program);
        command.arg("--home").arg(&self.home).args(arguments).stdin(Stdio::null()).stderr(log);
        let done = command.output().await.map_err(|error| format!("{}: {error}", self.program.display()))?;
        if done.status.success() {
            return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
        }
        let what = format!("{} {}", self.program.display(), arguments.join(" "));
        Err(format!("{what} failed ({}); see {}", done.status, self.log.display()).into())
    }

    /// The `export NAME=value` lines of its `env`.
    pub async fn variables(&self) -> Result<HashMap<String, String>, Failure> {
        let printed = self.run(&["env"]).await?;
        let pairs = printed.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
        Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// PostgreSQL, RabbitMQ and Redis of this suite's own.
#[derive(Debug, Clone)]
pub struct Services {
    script: Script,
    /// Where PostgreSQL is.
    pub database_url: String,
    /// Where RabbitMQ is.
    pub amqp_url: String,
    /// Where Redis is.
    pub redis_url: String,
}

impl Services {
    /// Starts all three, from nothing.
    pub async fn start(script: Script) -> Result<Self, Failure> {
        script.run(&["down"]).await?;
        script.run(&["forget"]).await?;
        script.run(&["up"]).await?;
        let variables = script.variables().await?;
        let variable = |name: &str| variables.get(name).cloned().ok_or_else(|| format!("scripts/services: no {name}"));
        Ok(Self {
            database_url: variable("DATABASE_URL")?,
            amqp_url: variable("AMQP_URL")?,
            redis_url: variable("REDIS_URL")?,
            script,
        })
    }

    /// Starts whichever of the three does not run, and waits until it answers.
    pub async fn up(&self) -> Result<(), Failure> {
        self.script.run(&["up"]).await.map(drop)
    }

    /// Stops all three in good order; their data stays.
    pub async fn down(&self) -> Result<(), Failure> {
        self.script.run(&["down"]).await.map(drop)
    }

    /// Stops all three, and forgets their data.
    pub async fn remove(&self) -> Result<(), Failure> {
        self.down().await?;
        self.script.run(&["forget"]).await.map(drop)
    }

    /// Stops one in good order.
    pub async fn stop(&self, server: Server) -> Result<(), Failure> {
        self.end(server, server.gentle()).await
    }

    /// Kills one.
    pub async fn kill(&self, server: Server) -> Result<(), Failure> {
        self.end(server, Signal::KILL).await
    }

    /// `rabbitmqctl`.
    pub async fn rabbitmqctl(&self, arguments: &[&str]) -> Result<String, Failure> {
        self.script.run(&[&["rabbitmqctl"], arguments].concat()).await
    }

    /// Runs one statement as PostgreSQL's superuser, who can do so only while the server is down.
    pub async fn superuser_sql(&self, statement: &str) -> Result<(), Failure> {
        self.script.run(&["superuser-sql", statement]).await.map(drop)
    }

    async fn end(&self, server: Server, signal: Signal) -> Result<(), Failure> {
        let variables = self.script.variables().await?;
        let pid = variables.get(server.pid_variable()).and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
        end_process(pid.ok_or_else(|| format!("{server:?} does not run"))?, signal).await
    }
}

/// Sends a signal, and waits until the process is gone.
pub async fn end_process(pid: Pid, signal: Signal) -> Result<(), Failure> {
    kill_process(pid, signal)?;
    let gone = async {
        while is_alive(pid) {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::time::timeout(STOP_TIMEOUT, gone).await.map_err(|_| format!("process {pid:?} does not end").into())
}

/// Neither gone, nor only waiting for its parent to notice.
fn is_alive(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}
