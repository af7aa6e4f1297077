//! One response of every route of the OpenAPI document. Each domain's file plays a short, realistic scene; what it shows
//! is compared with `snapshots/<domain>.snap`, where whoever writes a client can read what really comes back.
//!
//! A route that no scene shows fails the test. `INSTA_UPDATE=always` writes the snapshots anew; look at the difference.

mod accounts;
mod audit;
mod cache_entries;
mod cart;
mod catalogue;
mod devices;
mod export;
mod history;
mod ingest;
mod operations;
mod orders;
mod presence;
mod servers;
mod sessions;
mod tasks;
mod throughput;
mod transcript;

use std::collections::BTreeSet;

use pulso_testkit::{Client, Pulso};

use crate::support::accounts::start_with_administrator;
use transcript::{Operations, Transcript};

/// What every scene plays in: one Pulso, so that a domain may use what those before it left.
struct Stage {
    pulso: Pulso,
    administrator: Client,
}

/// The domains in the order in which they are played: each a file with a function `play(&Stage, &mut Transcript)`.
macro_rules! scenes {
    ($($domain:ident)*) => {
        /// Plays all scenes, compares each with its snapshot, and returns the operations that they have shown.
        async fn play_all(stage: &Stage, operations: &Operations) -> Vec<String> {
            let mut shown = Vec::new();
            $(
                let mut transcript = Transcript::new(operations);
                $domain::play(stage, &mut transcript).await;
                shown.extend(transcript.shown().iter().cloned());
                insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
                    insta::assert_snapshot!(stringify!($domain), transcript.text());
                });
            )*
            shown
        }
    };
}

scenes! {
    accounts sessions devices servers tasks cache_entries
    catalogue cart orders audit
    ingest history export presence throughput operations
}

#[tokio::test]
async fn every_route_answers_as_its_snapshot_shows() {
    let (pulso, administrator) = start_with_administrator().await;
    let stage = Stage { pulso, administrator };
    let operations = Operations::of(&stage.pulso.client).await;
    let shown = play_all(&stage, &operations).await;
    let once: BTreeSet<_> = shown.iter().cloned().collect();
    assert_eq!(once.len(), shown.len(), "one response of each: {shown:?}");
    let missing: Vec<_> = operations.names().difference(&once).cloned().collect();
    assert!(missing.is_empty(), "no scene shows a response of {missing:?}");
    stage.pulso.finish().await;
}
