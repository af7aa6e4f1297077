//! `make run` ended by a signal to its whole process group, as a terminal sends Ctrl-C, at random moments: whatever it was
//! doing, all that it has started is gone soon, and nothing else is touched.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says where it stops")]

use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use pulso_testkit::{eventually, free_port};
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, kill_process_group, set_child_subreaper, test_kill_process, wait,
};
use tokio::time::{Instant, sleep};

/// Within this time all has to be gone.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// When the signal comes: this long after the start at the latest; a start takes some eight seconds.
const LATEST: Duration = Duration::from_secs(12);

struct Run {
    home: PathBuf,
    output: PathBuf,
    group: Pid,
}

impl Run {
    fn start(home: &Path, path: Option<String>) -> Self {
        let output = home.with_extension("log");
        let file = fs::File::create(&output).unwrap();
        let mut make = Command::new("make");
        make.args(["--no-print-directory", "run"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .envs([("PULSO_HOME", home.as_os_str()), ("PULSO_SERVICES", "local".as_ref())])
            .env("PULSO_PORT", free_port().unwrap().to_string())
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .process_group(0);
        match path {
            Some(path) => make.env("PATH", path).env_remove("PULSO_BIN_DIR"),
            None => make.env("PULSO_BIN_DIR", Path::new(env!("CARGO_BIN_EXE_pulso-faults")).parent().unwrap()),
        };
        let group = Pid::from_raw(make.spawn().unwrap().id().cast_signed()).unwrap();
        Self { home: home.to_owned(), output, group }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.output).unwrap()
    }

    async fn says(&self, text: &str) {
        eventually(&format!("make run says {text}"), async || self.said().contains(text).then_some(())).await;
    }

    /// Sends the signal, once or twice, and waits until no process is left that make, or one of its, has started.
    async fn stop(&self, signal: Signal, again_after: Option<Duration>) {
        kill_process_group(self.group, signal).unwrap();
        if let Some(pause) = again_after {
            sleep(pause).await;
            // It may be gone by now.
            let _ = kill_process_group(self.group, signal);
        }
        let begun = Instant::now();
        while any_child() {
            let waited = begun.elapsed();
            if waited >= STOP_TIMEOUT {
                panic!("left after {waited:?}: {:?}; make run said:\n{}", descendants(), self.said());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Reaps those that have ended: as a subreaper this process is the parent of all whose own parents are gone.
fn any_child() -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => return true,
            Err(_) => return false,
        }
    }
}

/// The command lines of this process's children and theirs.
fn descendants() -> Vec<String> {
    let mut found = Vec::new();
    let mut parents = vec![getpid().as_raw_nonzero().get()];
    while let Some(parent) = parents.pop() {
        for task in fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten() {
            let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
            for child in children.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()) {
                let command = fs::read_to_string(format!("/proc/{child}/cmdline")).unwrap_or_default();
                found.push(command.replace('\0', " "));
                parents.push(child);
            }
        }
    }
    found
}

/// The servers that the tests use, which `make run` did not start.
fn bystanders_live() -> bool {
    let pids = ["PG_PID", "RABBITMQ_PID", "REDIS_PID"].map(std::env::var);
    let pids = pids.iter().flatten().filter_map(|pid| Pid::from_raw(pid.parse().ok()?));
    pids.into_iter().all(|pid| test_kill_process(pid).is_ok())
}

/// Some time below the bound, another one at each call.
fn random_below(bound: Duration) -> Duration {
    let bound = u64::try_from(bound.as_millis()).unwrap();
    Duration::from_millis(RandomState::new().build_hasher().finish() % bound)
}

fn forget(home: &Path) {
    let services = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/services");
    let done = Command::new(services).arg("--home").arg(home).arg("forget").output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    fs::remove_dir_all(home.parent().unwrap()).unwrap();
}

/// A `cargo` that builds for ever, before the real programs in PATH.
fn endless_build(folder: &Path) -> String {
    let cargo = folder.join("cargo");
    fs::write(&cargo, "#!/bin/sh\necho building for ever\nsleep 1000 & wait\n").unwrap();
    Command::new("chmod").arg("+x").arg(cargo).status().unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

#[tokio::test]
async fn make_run_stops_all_that_it_started_whenever_a_signal_comes() {
    set_child_subreaper(Some(getpid())).unwrap();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("make-run");
    fs::create_dir_all(&folder).unwrap();
    let home = folder.join("home");

    let building = Run::start(&home, Some(endless_build(&folder)));
    building.says("building for ever").await;
    building.stop(Signal::TERM, None).await;

    for (signal, again) in [(Signal::INT, false), (Signal::TERM, true), (Signal::INT, true)] {
        let run = Run::start(&home, None);
        sleep(random_below(LATEST)).await;
        run.stop(signal, again.then(|| random_below(Duration::from_millis(1_500)))).await;
    }

    let ready = Run::start(&home, None);
    ready.says("Pulso is ready").await;
    sleep(random_below(Duration::from_secs(1))).await;
    ready.stop(Signal::TERM, Some(Duration::ZERO)).await;
    assert!(ready.said().contains("pulso: stopped; the data is kept"), "{}", ready.said());

    assert!(bystanders_live(), "the servers of the tests are gone");
    forget(&ready.home);
}
