//! Ends the process of a server, which is not our child.

use std::time::Duration;

use pulso_testkit::Failure;
use rustix::process::{Pid, Signal, kill_process};

/// Longer than any server takes to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(20);

/// Sends a signal, and waits until the process has ended.
pub async fn end_process(pid: Pid, signal: Signal) -> Result<(), Failure> {
    kill_process(pid, signal)?;
    let ended = async {
        while is_alive(pid) {
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(STOP_TIMEOUT, ended).await.map_err(|_| format!("process {pid:?} does not end").into())
}

/// A zombie, whose parent has not read its exit status yet, has ended too.
fn is_alive(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    state.is_some_and(|state| state != 'Z' && state != 'X')
}

#[cfg(test)]
mod tests {
    use rustix::process::{Pid, Signal};

    use super::{end_process, is_alive};

    #[tokio::test]
    async fn a_process_has_ended_also_while_its_parent_has_not_noticed() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let pid = Pid::from_child(&child);
        assert!(is_alive(pid));
        end_process(pid, Signal::KILL).await.unwrap();
        assert!(!is_alive(pid) && child.try_wait().unwrap().is_some());
        assert!(end_process(pid, Signal::KILL).await.is_err(), "there is no such process any more");
    }
}
