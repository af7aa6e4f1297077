//! Every case of the fault suite in its short form, one test a group: the whole of `make faults FAULTS_ARGS=--quick`.
//!
//! The cases bring servers of their own, which they end and start again. A case that lacks something (root, a package)
//! is skipped by the suite, with its reason in the output; it counts as passed here.
#![expect(clippy::unwrap_used, reason = "a test says where it stops")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

/// The groups share one home, and each wants the machine for itself. Where the runner gives every test a process of its
/// own, `.config/nextest.toml` says the same.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn home() -> PathBuf {
    let given = std::env::var_os("PULSO_FAULTS_HOME").map(PathBuf::from);
    given.unwrap_or_else(|| Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults"))
}

fn passes(group: &str) {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    // Its table goes where the test's own output goes.
    let status = Command::new(env!("CARGO_BIN_EXE_pulso-faults"))
        .args(["--quick", "--only", group, "--scripts", concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts"), "--home"])
        .arg(home())
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{group}: {status}; what the programs said is below {}", home().display());
}

macro_rules! groups {
    ($($test:ident: $group:literal,)*) => {
        $(
            #[test]
            fn $test() {
                passes($group);
            }
        )*

        #[test]
        fn no_group_of_the_suite_is_left_out() {
            let list = Command::new(env!("CARGO_BIN_EXE_pulso-faults")).arg("--list").output().unwrap();
            let list = String::from_utf8(list.stdout).unwrap();
            let listed: BTreeSet<_> = list.lines().map(|case| case.split('/').next().unwrap()).collect();
            assert_eq!(listed, BTreeSet::from([$($group),*]));
        }
    };
}

groups! {
    whatever_happens_to_workers: "worker",
    whatever_happens_to_the_api: "api",
    whatever_happens_to_rabbitmq: "rabbitmq",
    whatever_happens_to_postgresql: "postgres",
    whatever_happens_to_redis: "redis",
    whatever_happens_to_the_network: "network",
    when_all_of_pulso_was_down: "whole",
    when_devices_flap: "presence",
    whatever_cannot_be_stored: "poison",
    whatever_clocks_say: "time",
    however_long_it_lasts: "soak",
}
