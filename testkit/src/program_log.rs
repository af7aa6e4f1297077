//! A program's log: in a file, or in memory, where a test waits for a line of it.

use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::failure::Failure;

/// Bytes of a log that are shown when its program has failed.
const TAIL_BYTES: usize = 2_000;

/// Where a program's output goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LogTarget {
    /// Standard error is kept in memory, line by line; standard output is that of this process.
    #[default]
    Memory,
    /// Both are appended to `<name>.log` in this folder: a reader in this process would cost processor time.
    Folder(PathBuf),
}

/// The log of a program that was started.
#[derive(Clone)]
pub enum ProgramLog {
    /// Its lines so far.
    Memory(Arc<Mutex<Vec<String>>>),
    /// The file.
    File(PathBuf),
}

/// A log whose program has not been started yet.
pub(crate) struct OpenLog(Option<PathBuf>);

impl LogTarget {
    /// Connects the output of `command`.
    pub(crate) fn open(&self, name: &str, command: &mut Command) -> Result<OpenLog, Failure> {
        match self {
            Self::Memory => {
                command.stderr(Stdio::piped());
                Ok(OpenLog(None))
            }
            Self::Folder(folder) => {
                let path = folder.join(format!("{name}.log"));
                let file = File::options().create(true).append(true).open(&path);
                let file = file.map_err(|error| format!("{}: {error}", path.display()))?;
                command.stdout(file.try_clone()?).stderr(file);
                Ok(OpenLog(Some(path)))
            }
        }
    }
}

impl OpenLog {
    /// Starts to read from the program, where its log is in memory.
    pub(crate) fn follow(self, child: &mut Child) -> ProgramLog {
        if let Some(path) = self.0 {
            return ProgramLog::File(path);
        }
        let lines = Arc::new(Mutex::new(Vec::new()));
        if let Some(stderr) = child.stderr.take() {
            let (mut reader, lines) = (BufReader::new(stderr).lines(), Arc::clone(&lines));
            tokio::spawn(async move {
                while let Ok(Some(line)) = reader.next_line().await {
                    lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            });
        }
        ProgramLog::Memory(lines)
    }
}

impl ProgramLog {
    /// Whether a line holds that text.
    pub fn contains(&self, text: &str) -> bool {
        self.find(|line| line.contains(text).then_some(())).is_some()
    }

    /// What `read` makes of the first line of which it makes anything.
    pub fn find<T>(&self, read: impl FnMut(&str) -> Option<T>) -> Option<T> {
        match self {
            Self::Memory(lines) => {
                lines.lock().unwrap_or_else(PoisonError::into_inner).iter().map(String::as_str).find_map(read)
            }
            Self::File(_) => self.text().lines().find_map(read),
        }
    }

    /// All of it.
    pub fn text(&self) -> String {
        match self {
            Self::Memory(lines) => lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n"),
            Self::File(path) => String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned(),
        }
    }

    /// The end of it.
    pub fn tail(&self) -> String {
        let text = self.text();
        let start = text.len().saturating_sub(TAIL_BYTES);
        let from = text.char_indices().map(|(place, _)| place).find(|place| *place >= start).unwrap_or(text.len());
        text.get(from..).unwrap_or_default().to_owned()
    }
}

impl fmt::Display for ProgramLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(_) => formatter.write_str("its log"),
            Self::File(path) => write!(formatter, "{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::{ProgramLog, TAIL_BYTES};

    #[test]
    fn the_tail_of_a_long_log_is_its_end() {
        let log = ProgramLog::Memory(Arc::new(Mutex::new(vec!["ä".repeat(TAIL_BYTES), "the end".into()])));
        let tail = log.tail();
        assert!(tail.len() <= TAIL_BYTES && tail.ends_with("ä\nthe end"), "{} bytes", tail.len());
        assert!(log.contains("the end") && !log.contains("the beginning"));
    }
}
