//! A script of ours, and the folder that it works on.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use pulso_testkit::Failure;
use rustix::process::Pid;
use tokio::process::Command;

/// A script that starts and stops servers.
#[derive(Debug, Clone)]
pub struct Script {
    program: PathBuf,
    home: PathBuf,
    log: PathBuf,
}

impl Script {
    /// The script `name` on `home`; its complaints go into a log in `logs`.
    pub fn new(scripts: &Path, name: &str, home: PathBuf, logs: &Path) -> Self {
        Self { program: scripts.join(name), home, log: logs.join(format!("{name}.log")) }
    }

    /// Runs it to its end; what it printed.
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
        Ok(exports(&self.run(&["env"]).await?))
    }

    /// The process id in a variable of its `env`.
    pub async fn pid(&self, variable: &str) -> Result<Pid, Failure> {
        let variables = self.variables().await?;
        let pid = variables.get(variable).and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
        pid.ok_or_else(|| format!("no {variable}: the server does not run").into())
    }
}

fn exports(printed: &str) -> HashMap<String, String> {
    let pairs = printed.lines().filter_map(|line| line.strip_prefix("export ")?.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::exports;

    #[test]
    fn only_exports_are_variables_and_values_keep_their_equals_signs() {
        let variables = exports("starting\nexport PG_PID=42\nexport URL=postgres://h/d?a=b\n");
        assert_eq!((variables.len(), variables["PG_PID"].as_str()), (2, "42"));
        assert_eq!(variables["URL"], "postgres://h/d?a=b");
    }
}
