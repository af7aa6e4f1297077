//! CPU time and memory of processes, from `/proc`.

use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// One process at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    parent: u32,
    /// Its own time and that of its children that have ended, in clock ticks.
    ticks: u64,
}

/// All processes at one time.
#[derive(Debug, Clone)]
pub struct Processes(HashMap<u32, Process>);

/// A process's memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct Memory {
    /// Resident now, MB.
    pub now_mb: f64,
    /// Peak resident memory since the peak was last reset, MB.
    pub peak_mb: f64,
}

impl Processes {
    /// Reads all processes.
    pub fn now() -> Self {
        let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Self(ids.filter_map(|pid: u32| Some((pid, read_process(pid)?))).collect())
    }

    /// CPU time of a process, its descendants, and those of them that have ended: what a child used moves to its
    /// parent when it ends, so nothing is lost between two times.
    pub fn tree_cpu(&self, root: u32) -> Duration {
        let ticks = self.0.iter().filter(|(pid, _)| self.descends(**pid, root)).map(|(_, process)| process.ticks).sum();
        in_time(ticks)
    }

    fn descends(&self, mut pid: u32, root: u32) -> bool {
        // Deeper than any process tree here; ends the walk if the table is inconsistent.
        for _ in 0..64 {
            if pid == root {
                return true;
            }
            match self.0.get(&pid) {
                Some(process) if process.parent != 0 => pid = process.parent,
                _ => return false,
            }
        }
        false
    }
}

/// CPU time of one process alone.
pub fn own_cpu(pid: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    in_time(fields(&stat).map_or(0, |fields| number(&fields, USER).saturating_add(number(&fields, SYSTEM))))
}

/// CPU time of this process alone.
pub fn my_cpu() -> Duration {
    own_cpu(std::process::id())
}

/// Memory of a process.
pub fn memory(pid: u32) -> Memory {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    Memory { now_mb: megabytes(&status, "VmRSS:"), peak_mb: megabytes(&status, "VmHWM:") }
}

/// Resets the peak of a process's memory.
pub fn reset_peak(pid: u32) {
    // Refused for other users' processes: the peak is then that since the start, which is larger, not wrong.
    let _ = fs::write(format!("/proc/{pid}/clear_refs"), "5");
}

// Places after the command's name in /proc/PID/stat (proc_pid_stat(5) counts them from 3).
const PARENT: usize = 1;
const USER: usize = 11;
const SYSTEM: usize = 12;
const ENDED_USER: usize = 13;
const ENDED_SYSTEM: usize = 14;

fn read_process(pid: u32) -> Option<Process> {
    parse_process(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

fn parse_process(stat: &str) -> Option<Process> {
    let fields = fields(stat)?;
    let parent = u32::try_from(number(&fields, PARENT)).ok()?;
    let ticks = [USER, SYSTEM, ENDED_USER, ENDED_SYSTEM].iter().map(|place| number(&fields, *place)).sum();
    Some(Process { parent, ticks })
}

/// The fields after the command's name, which may itself have blanks and parentheses.
fn fields(stat: &str) -> Option<Vec<&str>> {
    Some(stat.rsplit_once(')')?.1.split_ascii_whitespace().collect())
}

fn number(fields: &[&str], place: usize) -> u64 {
    fields.get(place).and_then(|field| field.parse().ok()).unwrap_or(0)
}

fn in_time(ticks: u64) -> Duration {
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    Duration::from_millis(ticks.saturating_mul(1_000) / per_second)
}

fn megabytes(status: &str, name: &str) -> f64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<f64>().ok());
    kilobytes.unwrap_or(0.0) / 1_024.0
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::time::Duration;

    use super::{Process, Processes, megabytes, memory, my_cpu, parse_process};

    #[test]
    fn a_stat_line_is_read_whatever_the_command_is_called() {
        let stat = "4242 (postgres: x) y) S 7 1 1 0 -1 4194560 1 2 3 4 10 20 300 4000 20 0 1 0";
        assert_eq!(parse_process(stat), Some(Process { parent: 7, ticks: 4_330 }));
        assert_eq!(parse_process("torn"), None);
    }

    #[test]
    fn a_tree_is_its_root_and_everything_below() {
        let process = |parent, ticks| Process { parent, ticks };
        let all = Processes(HashMap::from([
            (1, process(0, 1_000_000)),
            (10, process(1, 100)),
            (11, process(10, 20)),
            (12, process(11, 3)),
            (20, process(1, 5_000)),
        ]));
        assert_eq!(all.tree_cpu(10), super::in_time(123));
        assert_eq!(all.tree_cpu(99), Duration::ZERO);
    }

    #[test]
    fn memory_is_read_in_megabytes() {
        assert!((megabytes("VmHWM:\t    2048 kB\nVmRSS:\t 1024 kB\n", "VmRSS:") - 1.0).abs() < 1e-9);
        assert!(memory(std::process::id()).now_mb > 1.0);
        assert!(my_cpu() < Duration::from_secs(3_600));
    }
}
