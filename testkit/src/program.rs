//! Programs that are started, watched and ended: the one process spawner of the tests, the benchmark and the fault suite.
//!
//! ```text
//!  Program (how to start it, again and again) ─▶ RunningProgram ─▶ ready · check · terminate · kill
//! ```

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::client::Client;
use crate::failure::Failure;
use crate::program_log::{LogTarget, ProgramLog};

const READY_TIMEOUT: Duration = Duration::from_secs(60);
const READY_POLL: Duration = Duration::from_millis(20);
/// Longer than the API and the worker give themselves to finish what is in flight.
const END_TIMEOUT: Duration = Duration::from_secs(40);

/// How to start a program.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Its name in messages, and that of its log file.
    pub name: String,
    /// The executable.
    pub executable: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment; later entries override earlier ones of the same name.
    pub environment: Vec<(String, String)>,
    /// Whether it also gets the environment of this process.
    pub inherits_environment: bool,
    /// The processors it may use, as `taskset` takes them; `None`: those of this process.
    pub cpus: Option<String>,
    /// Whether it has a process group of its own: Ctrl-C then reaches only this process, which ends programs in order.
    pub own_process_group: bool,
    /// Where its output goes.
    pub log: LogTarget,
}

/// A program that was started; killed when dropped.
pub struct RunningProgram {
    name: String,
    child: Child,
    log: ProgramLog,
}

/// The folder of this executable; a test's is one below, in `deps`.
pub fn own_folder() -> Result<PathBuf, Failure> {
    let executable = std::env::current_exe()?;
    Ok(executable.parent().ok_or("this program has no folder")?.to_owned())
}

impl Program {
    /// Starts it.
    pub fn start(&self) -> Result<RunningProgram, Failure> {
        let mut command = self.command();
        command.stdin(Stdio::null()).kill_on_drop(true);
        if self.own_process_group {
            command.process_group(0);
        }
        let open = self.log.open(&self.name, &mut command)?;
        let mut child = command.spawn().map_err(|error| self.not_started(&error))?;
        let log = open.follow(&mut child);
        Ok(RunningProgram { name: self.name.clone(), child, log })
    }

    /// Starts it, and waits until a GET of `url` is answered with a 2xx.
    pub async fn start_ready(&self, url: &str) -> Result<RunningProgram, Failure> {
        let mut running = self.start()?;
        running.ready(url).await?;
        Ok(running)
    }

    /// Runs it to its end, which has to be a success; what it printed.
    pub async fn output(&self) -> Result<String, Failure> {
        let done = self.command().output().await.map_err(|error| self.not_started(&error))?;
        if done.status.success() {
            return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
        }
        let what = format!("{} {}", self.name, self.arguments.join(" "));
        Err(format!("{what} ended with {}:\n{}", done.status, String::from_utf8_lossy(&done.stderr)).into())
    }

    /// The command, without input and output.
    pub(crate) fn command(&self) -> Command {
        let mut command = match &self.cpus {
            None => Command::new(&self.executable),
            Some(cpus) => {
                // taskset becomes the program, so the process id is the program's.
                let mut command = Command::new("taskset");
                command.args(["--cpu-list", cpus]).arg(&self.executable);
                command
            }
        };
        if !self.inherits_environment {
            command.env_clear();
        }
        command.args(&self.arguments).envs(self.environment.iter().cloned());
        command
    }

    fn not_started(&self, error: &std::io::Error) -> Failure {
        format!("cannot start {}: {error} (build it first: make build)", self.executable.display()).into()
    }
}

impl RunningProgram {
    /// Its process id; 0 once it has ended.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// Its log.
    pub fn log(&self) -> &ProgramLog {
        &self.log
    }

    /// Fails when it has ended.
    pub fn check(&mut self) -> Result<(), Failure> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(self.failure(&format!("ended with {status}"))),
        }
    }

    /// Waits until a GET of `url` is answered with a 2xx.
    pub async fn ready(&mut self, url: &str) -> Result<(), Failure> {
        let client = Client::with_timeout(url, Duration::from_secs(2))?;
        let end = Instant::now() + READY_TIMEOUT;
        while !client.try_get("").await.is_ok_and(|answer| answer.is_success()) {
            self.check()?;
            if Instant::now() >= end {
                return Err(self.failure("is not ready in time"));
            }
            tokio::time::sleep(READY_POLL).await;
        }
        Ok(())
    }

    /// SIGTERM; waits for its end, which has to be a success.
    pub async fn terminate(&mut self) -> Result<(), Failure> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        let Some(pid) = pid else { return Err(self.failure("has ended already")) };
        kill_process(pid, Signal::TERM)?;
        match tokio::time::timeout(END_TIMEOUT, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(self.failure(&format!("ended with {status} after SIGTERM"))),
            Ok(Err(error)) => Err(error.into()),
            Err(_) => Err(self.failure("does not end after SIGTERM")),
        }
    }

    /// SIGTERM, and SIGKILL where that does not end it.
    pub async fn stop(mut self) {
        if self.terminate().await.is_err() {
            // It may have ended meanwhile, which is what we want.
            let _ = self.child.kill().await;
        }
    }

    /// SIGKILL: no chance to finish anything.
    pub async fn kill(&mut self) -> Result<(), Failure> {
        Ok(self.child.kill().await?)
    }

    fn failure(&self, what: &str) -> Failure {
        format!("{} {what}; the end of {}:\n{}", self.name, self.log, self.log.tail()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::{LogTarget, Program};
    use crate::wait::eventually;

    fn shell(script: &str, log: LogTarget) -> Program {
        let arguments = vec!["-c".to_owned(), script.to_owned()];
        Program { name: "a-shell".into(), executable: "/bin/sh".into(), arguments, log, ..Program::default() }
    }

    #[tokio::test]
    async fn what_it_prints_is_returned_and_a_failure_says_why() {
        let mut program = shell("echo \"$A $HOME\"", LogTarget::Memory);
        program.environment = vec![("A".into(), "1".into()), ("A".into(), "2".into())];
        assert_eq!(program.output().await.unwrap(), "2 \n", "only its own environment, the last entry of a name");
        let failure = shell("echo no >&2; exit 3", LogTarget::Memory).output().await.unwrap_err().to_string();
        assert!(failure.contains("exit status: 3") && failure.ends_with("no\n"), "{failure}");
    }

    #[tokio::test]
    async fn a_program_that_ends_early_fails_with_the_end_of_its_log() {
        let folder = std::env::temp_dir().join(format!("pulso-testkit-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for log in [LogTarget::Memory, LogTarget::Folder(folder.clone())] {
            let mut running = shell("echo gone wrong >&2; exit 1", log).start().unwrap();
            let failure = eventually("it has ended", async || running.check().err()).await.to_string();
            assert!(failure.contains("a-shell ended with exit status: 1"), "{failure}");
            eventually("its log is read", async || running.log().contains("gone wrong").then_some(())).await;
        }
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn it_ends_on_sigterm_and_one_that_does_not_end_well_is_a_failure() {
        let mut good = shell("trap 'exit 0' TERM; echo up >&2; while :; do sleep 0.01; done", LogTarget::Memory);
        let mut running = good.start().unwrap();
        eventually("its trap is set", async || running.log().contains("up").then_some(())).await;
        running.terminate().await.unwrap();
        assert!(running.terminate().await.is_err(), "it has ended already");
        good.arguments = vec!["-c".into(), "exec sleep 60".into()];
        let failure = good.start().unwrap().terminate().await.unwrap_err().to_string();
        assert!(failure.contains("after SIGTERM"), "{failure}");
    }

    #[tokio::test]
    async fn an_executable_that_is_not_there_is_named() {
        let absent = Program { executable: "/nowhere/pulso-api".into(), ..Program::default() };
        assert!(absent.start().err().unwrap().to_string().contains("/nowhere/pulso-api"));
    }
}
