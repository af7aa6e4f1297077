//! Loads against a whole Pulso.

use std::num::NonZeroUsize;
use std::time::Duration;

use pulso_simulator::load::{HEARTBEATS, LoadPlan, LoadRun, Target};
use pulso_testkit::{Options, Program, Pulso};
use reqwest::StatusCode;

#[tokio::test]
async fn a_rate_limited_load_waits_as_long_as_retry_after_says_and_loses_nothing() {
    let api = vec![("INGEST_MAX_HZ", "2".to_owned())];
    let pulso = Pulso::start_with(Options { api, ..Options::default() }).await;
    let device = pulso.client.new_user().await.new_device().await;
    let plan = LoadPlan {
        target: Target::new(pulso.client.base(), HEARTBEATS).unwrap(),
        tokens: vec![device.client.token().unwrap().to_owned()],
        connections: NonZeroUsize::MIN,
        threads: NonZeroUsize::MIN,
        duration: Duration::from_secs(3),
        rate: None,
        array: None,
        resend_share: 0.0,
        retry_timeout: Duration::from_secs(10),
        journal: None,
    };
    let tally = LoadRun::start(plan).unwrap().finish().await.unwrap();
    let refusals = tally.count_of(StatusCode::TOO_MANY_REQUESTS);
    assert_eq!((tally.refused, tally.unanswered, tally.not_accepted), (0, 0, 0), "{tally:?}");
    // `Retry-After` is whole seconds. The delays without it start at 25 ms: there would be many more refusals.
    assert!((1..=4).contains(&refusals) && tally.retried == refusals, "{tally:?}");
    pulso.stored(tally.accepted.try_into().unwrap()).await;
    pulso.finish().await;
}

#[tokio::test]
async fn the_ledger_command_proves_what_it_sent_and_finds_a_row_that_is_gone() {
    let pulso = Pulso::start().await;
    let file = std::env::temp_dir().join(format!("pulso-ledger-command-{}.txt", std::process::id()));
    let of_file = format!("--file {} --database-url {} --drain-timeout 30s", file.display(), pulso.database.url);
    let simulator = |arguments: &str| Program {
        name: "pulso-simulator".into(),
        executable: env!("CARGO_BIN_EXE_pulso-simulator").into(),
        arguments: arguments.split(' ').map(str::to_owned).collect(),
        ..Program::default()
    };
    let account = format!("--url {} --username ledger --password 1-long-password --sign-up", pulso.client.base());
    let send = format!("ledger --devices 4 --hz 10 --duration 2s --resend-share 0.5 {account} {of_file}");
    let printed = simulator(&send).output().await.unwrap();
    assert!(printed.ends_with("proved: every accepted reading is stored, exactly once, as it was sent\n"), "{printed}");
    pulso.database.execute("DELETE FROM heartbeats WHERE ts = (SELECT max(ts) FROM heartbeats)").await;
    let verify = format!("ledger verify {of_file}").replace("30s", "1s");
    let failure = simulator(&verify).output().await.unwrap_err().to_string();
    assert!(failure.contains("exit status: 1"), "{failure}");
    std::fs::remove_file(file).unwrap();
    pulso.finish().await;
}
