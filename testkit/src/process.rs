//! A process under test: started, watched, killed.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::wait::eventually;

/// The binary of that name, next to the running test.
#[must_use]
pub fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.parent().and_then(|deps| deps.parent()).expect("target/debug/deps/test").join(name);
    assert!(path.exists(), "{} is not built: run `cargo build --workspace` (or `make test`)", path.display());
    path
}

/// A running process. Dropped, it is killed; when the test has failed, its log is shown.
pub struct Process {
    name: &'static str,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts it; its standard error is kept.
    pub fn start(name: &'static str, arguments: &[&str], environment: &[(String, String)]) -> Self {
        let mut command = Command::new(binary(name));
        command.args(arguments).env_clear().envs(environment.iter().cloned());
        command.env("LOG_FORMAT", "json").stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let kept = Arc::clone(&log);
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                kept.lock().unwrap().push(line);
            }
        });
        Self { name, child, log }
    }

    /// Waits for a log line with that message, and returns its field.
    pub async fn logged(&mut self, message: &str, field: &str) -> String {
        eventually(&format!("{} logs {message}", self.name), async || {
            let exited = self.child.try_wait().unwrap();
            assert!(
                exited.is_none(),
                "{} ended early ({exited:?}): {}",
                self.name,
                self.log.lock().unwrap().join("\n")
            );
            let log = self.log.lock().unwrap();
            let entries = log.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let mut matching = entries.filter(|entry| entry["message"] == message);
            matching.next().and_then(|entry| entry[field].as_str().map(str::to_owned))
        })
        .await
    }

    /// Whether some log line holds that text.
    #[must_use]
    pub fn has_logged(&self, text: &str) -> bool {
        self.log.lock().unwrap().iter().any(|line| line.contains(text))
    }

    /// The most memory it ever held at a time, bytes.
    ///
    /// # Panics
    /// When it no longer runs.
    #[must_use]
    pub fn peak_memory_bytes(&self) -> u64 {
        let pid = self.child.id().expect("still running");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
        peak.expect("VmHWM").parse::<u64>().unwrap() * 1024
    }

    /// SIGKILL: no chance to finish anything.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM, and waits for the end.
    ///
    /// # Panics
    /// When it does not end with success.
    pub async fn terminate(&mut self) {
        let pid = self.child.id().expect("still running").to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = tokio::time::timeout(std::time::Duration::from_secs(40), self.child.wait()).await;
        let status = status.unwrap_or_else(|_| panic!("{} did not stop", self.name)).unwrap();
        assert!(status.success(), "{} ended with {status}", self.name);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log.lock().map(|log| log.join("\n")).unwrap_or_default();
            println_log(self.name, &log);
        }
    }
}

#[expect(clippy::print_stderr, reason = "the test runner shows it with the failure")]
fn println_log(name: &str, log: &str) {
    eprintln!("--- log of {name} ---\n{log}");
}
