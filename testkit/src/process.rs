//! A program under test: a [`RunningProgram`] whose failures end the test.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on says where")]

use std::path::PathBuf;

use serde_json::Value;

use crate::program::{Program, RunningProgram, own_folder};
use crate::wait::eventually;

/// The binary of that name, next to the running test.
pub(crate) fn binary(name: &str) -> PathBuf {
    let folder = own_folder().unwrap();
    let path = folder.parent().expect("target/debug/deps").join(name);
    assert!(path.exists(), "{} is not built: run `cargo build --workspace` (or `make test`)", path.display());
    path
}

/// A running process. Dropped, it is killed; when the test has failed, its log is shown.
pub struct Process {
    name: &'static str,
    running: RunningProgram,
}

impl Process {
    /// Starts it; what it writes to standard error is kept.
    pub fn start(name: &'static str, arguments: &[&str], environment: &[(String, String)]) -> Self {
        Self { name, running: program(name, arguments, environment).start().unwrap() }
    }

    /// Waits for a log line with that message, and returns its field.
    pub async fn logged(&mut self, message: &str, field: &str) -> String {
        eventually(&format!("{} logs {message}", self.name), async || {
            self.running.check().unwrap_or_else(|failure| panic!("{failure}"));
            self.running.log().find(|line| {
                let entry = serde_json::from_str::<Value>(line)
                    .ok()
                    .filter(|entry| entry.get("message").is_some_and(|said| said == message))?;
                entry.get(field)?.as_str().map(str::to_owned)
            })
        })
        .await
    }

    /// Whether some log line holds that text.
    pub fn has_logged(&self, text: &str) -> bool {
        self.running.log().contains(text)
    }

    /// How many log lines hold that text.
    pub fn count_logged(&self, text: &str) -> usize {
        self.running.log().text().lines().filter(|line| line.contains(text)).count()
    }

    /// All that it has logged.
    pub fn log(&self) -> String {
        self.running.log().text()
    }

    /// The most memory it ever held at a time, bytes.
    pub fn peak_memory_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.running.pid())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak.expect("VmHWM").parse::<u64>().unwrap() * 1024
    }

    /// SIGKILL: no chance to finish anything.
    pub async fn kill(&mut self) {
        self.running.kill().await.unwrap();
    }

    /// SIGTERM, and waits for the end, which has to be a success.
    pub async fn terminate(&mut self) {
        self.running.terminate().await.unwrap_or_else(|failure| panic!("{failure}"));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            show_log(self.name, &self.running.log().text());
        }
    }
}

/// One of our binaries, with JSON logs in memory and an environment of its own.
pub(crate) fn program(name: &str, arguments: &[&str], environment: &[(String, String)]) -> Program {
    let log_format = ("LOG_FORMAT".to_owned(), "json".to_owned());
    Program {
        name: name.to_owned(),
        executable: binary(name),
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        environment: environment.iter().cloned().chain([log_format]).collect(),
        ..Program::default()
    }
}

#[expect(clippy::print_stderr, reason = "the test runner shows it with the failure")]
fn show_log(name: &str, log: &str) {
    eprintln!("--- log of {name} ---\n{log}");
}
