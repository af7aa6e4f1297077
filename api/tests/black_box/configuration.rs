//! One truth about settings: what the program reads, what the documents tell, what the log says at the start.

use clap::CommandFactory;
use pulso_api::cli::Cli;
use pulso_testkit::{Options, Pulso, settings};

#[test]
fn the_documents_tell_every_setting_of_the_api_with_its_default() {
    settings::assert_documented(&Cli::command(), "serve", "api");
}

#[test]
fn every_line_of_the_example_is_read_by_somebody() {
    settings::assert_no_unknown_example();
}

#[tokio::test]
async fn the_log_begins_with_the_settings_and_without_the_secrets() {
    let options =
        Options { api: vec![("ACCESS_TOKEN_TTL_S", "120".into())], without_worker: true, ..Options::default() };
    let mut pulso = Pulso::start_with(options).await;
    let settings = pulso.api.logged("configuration", "settings").await;
    for shown in [
        "ACCESS_TOKEN_TTL_S=120",
        "PUBLISH_TIMEOUT_MS=5000",
        "RETENTION_DAYS=unset",
        "JWT_SECRET=(set)",
        "DATABASE_URL=(set)",
    ] {
        assert!(settings.split(' ').any(|setting| setting == shown), "{shown}: {settings}");
    }
    assert!(!pulso.api.has_logged("a secret of the tests"));
    pulso.finish().await;
}
