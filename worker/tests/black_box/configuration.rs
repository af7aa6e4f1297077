//! One truth about settings: what the program reads, what the documents tell, what the log says at the start.

use clap::CommandFactory;
use pulso_testkit::{Pulso, settings};
use pulso_worker::config::Cli;

#[test]
fn the_documents_tell_every_setting_of_the_worker_with_its_default() {
    settings::assert_documented(&Cli::command(), "run", "worker");
}

#[tokio::test]
async fn the_log_begins_with_the_settings_and_without_the_secrets() {
    let mut pulso = Pulso::start().await;
    let worker = pulso.worker.as_mut().unwrap();
    let settings = worker.logged("configuration", "settings").await;
    for shown in ["BATCH_INTERVAL_MS=10", "PREFETCH=32", "DATABASE_URL=(set)", "AMQP_URL=(set)"] {
        assert!(settings.split(' ').any(|setting| setting == shown), "{shown}: {settings}");
    }
    assert!(!worker.has_logged(&pulso.database.url));
    pulso.finish().await;
}
