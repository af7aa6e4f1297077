//! The metrics recorder. Alone in its process, because a recorder is global.

use std::time::Duration;

use pulso_shared::metrics::{install, run_upkeep};

#[tokio::test(start_paused = true)]
async fn histograms_have_buckets_by_their_unit_and_there_is_one_recorder() {
    let handle = install().unwrap();
    assert!(install().is_err(), "a second recorder");
    metrics::histogram!("pulso_test_seconds").record(0.015);
    metrics::histogram!("pulso_test_size").record(700.0);
    metrics::counter!("pulso_test_total").increment(2);
    let upkeep = tokio::spawn(run_upkeep(handle.clone()));
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(!upkeep.is_finished());
    let text = handle.render();
    for line in [
        r#"pulso_test_seconds_bucket{le="0.01"} 0"#,
        r#"pulso_test_seconds_bucket{le="0.02"} 1"#,
        r#"pulso_test_seconds_bucket{le="30"} 1"#,
        r#"pulso_test_size_bucket{le="500"} 0"#,
        r#"pulso_test_size_bucket{le="1000"} 1"#,
        "pulso_test_total 2",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in:\n{text}");
    }
}
