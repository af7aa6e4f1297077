//! The dead letters, one request after the other.

use std::collections::BTreeSet;
use std::time::Duration;

use pulso_shared::amqp::dead_letters::{BrowseError, Choice, DeadLetterBrowser, Listing, Replayed};
use pulso_shared::amqp::topology::Topology;
use pulso_shared::ids::DeadLetterId;
use tokio::time::Instant;

use crate::http::error::ApiError;
use crate::state::AppState;

/// How long a replay may go on; whoever asked still waits for the answer then.
const REPLAY_TIMEOUT: Duration = Duration::from_secs(20);

/// The oldest, at most so many.
pub async fn list(state: &AppState, limit: u16) -> Result<Listing, ApiError> {
    let desk = open(state).await?;
    let listing = desk.list(usize::from(limit)).await;
    desk.close().await;
    Ok(listing?)
}

/// Puts back what is chosen.
pub async fn replay(state: &AppState, choice: &Choice) -> Result<Replayed, ApiError> {
    let desk = open(state).await?;
    let replayed = desk.replay(choice, Instant::now() + REPLAY_TIMEOUT).await;
    desk.close().await;
    match replayed? {
        Replayed { replayed: 0, stopped: Some(stop), .. } => Err(unavailable(stop)),
        replayed => Ok(replayed),
    }
}

/// Throws one away.
pub async fn delete(state: &AppState, id: DeadLetterId) -> Result<(), ApiError> {
    let desk = open(state).await?;
    let deleted = desk.delete(&Choice::Only(BTreeSet::from([id]))).await;
    desk.close().await;
    let (deleted, _) = deleted?;
    if deleted == 0 { Err(ApiError::NotFound("dead letter")) } else { Ok(()) }
}

async fn open(state: &AppState) -> Result<DeadLetterBrowser, BrowseError> {
    let broker = &state.config.broker;
    DeadLetterBrowser::open(&broker.amqp_url, Topology::new(broker)).await
}

impl From<BrowseError> for ApiError {
    fn from(error: BrowseError) -> Self {
        unavailable(error)
    }
}

fn unavailable(cause: impl ToString) -> ApiError {
    ApiError::Unavailable { what: "The message broker", cause: cause.to_string() }
}
