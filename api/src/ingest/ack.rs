//! What a 2xx means: confirmed to the broker's disk, or (`?ack=stored`) committed as rows.

use std::time::Duration;

use actix_web::http::StatusCode;
use actix_web::web::Query;
use serde::Deserialize;
use utoipa::IntoParams;

use crate::http::error::{ApiError, FieldError};

/// How long a caller who asks for the commit waits, ms, unless they say otherwise; and at most.
const DEFAULT_TIMEOUT_MS: u32 = 5_000;
const MAX_TIMEOUT_MS: u32 = 30_000;

/// What the answer waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ack {
    /// The broker's confirm.
    Confirmed,
    /// The commit, though not longer than this after the confirm.
    Stored(Duration),
}

/// How far accepted readings had come when they were answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reached {
    /// Confirmed by the broker; nothing else was asked for.
    Confirmed,
    /// Committed.
    Stored,
    /// The commit was asked for, and not seen in time.
    NotYetStored,
}

impl Reached {
    /// After a wait for the commit.
    pub fn after_wait(is_stored: bool) -> Self {
        if is_stored { Self::Stored } else { Self::NotYetStored }
    }

    /// The response's status, on a route that answers a confirm with `confirmed`.
    pub fn status(self, confirmed: StatusCode) -> StatusCode {
        match self {
            Self::Confirmed => confirmed,
            Self::Stored => StatusCode::OK,
            Self::NotYetStored => StatusCode::ACCEPTED,
        }
    }
}

/// What an answer waits for, as a query says it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct AckQuery {
    /// `stored`: the answer waits until everything accepted is committed to the database, and is then 200 with
    /// `stored`; when the time runs out first, it is 202. `confirmed`, the default: the answer waits for the broker.
    #[param(inline, value_type = Option<AckWord>)]
    ack: Option<String>,
    /// How long `ack=stored` waits after the broker's confirm, ms.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 30000, default = 5000)]
    timeout_ms: Option<String>,
}

/// The words for it.
#[derive(utoipa::ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "documents the parameter; Ack::parse reads it")]
enum AckWord {
    Confirmed,
    Stored,
}

impl Ack {
    /// Parses a query string, which is nearly always empty; 422 with everything that is wrong in it.
    pub fn parse(query: &str) -> Result<Self, ApiError> {
        if query.is_empty() {
            return Ok(Self::Confirmed);
        }
        let query = Query::<AckQuery>::from_query(query);
        let AckQuery { ack, timeout_ms } =
            query.map_err(|error| ApiError::field("query", "invalid", error))?.into_inner();
        let mut faults = Vec::new();
        let timeout = match timeout_ms.map_or(Ok(DEFAULT_TIMEOUT_MS), |text| text.parse()) {
            Ok(ms) if (1..=MAX_TIMEOUT_MS).contains(&ms) => Duration::from_millis(u64::from(ms)),
            _ => {
                let detail = format!("must be between 1 and {MAX_TIMEOUT_MS}");
                faults.push(FieldError::new("timeout_ms", "out_of_range", detail));
                Duration::ZERO
            }
        };
        let ack = match ack.as_deref() {
            None | Some("" | "confirmed") => Self::Confirmed,
            Some("stored") => Self::Stored(timeout),
            Some(_) => {
                faults.push(FieldError::new("ack", "invalid", "must be stored or confirmed"));
                Self::Confirmed
            }
        };
        if faults.is_empty() { Ok(ack) } else { Err(ApiError::Validation(faults)) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Ack;
    use crate::http::error::ApiError;

    #[test]
    fn the_commit_is_waited_for_only_when_it_is_asked_for() {
        for query in ["", "x=1", "ack=", "ack=confirmed", "timeout_ms=10"] {
            assert_eq!(Ack::parse(query).unwrap(), Ack::Confirmed, "{query}");
        }
        assert_eq!(Ack::parse("ack=stored").unwrap(), Ack::Stored(Duration::from_secs(5)));
        assert_eq!(Ack::parse("timeout_ms=30000&ack=stored").unwrap(), Ack::Stored(Duration::from_secs(30)));
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for (query, faults) in [
            ("ack=store&timeout_ms=0", 2),
            ("ack=stored&timeout_ms=30001", 1),
            ("ack=stored&timeout_ms=1.5", 1),
            ("ack=stored&timeout_ms=-1", 1),
            ("ack=stored&ack=stored", 1),
        ] {
            let Err(ApiError::Validation(told)) = Ack::parse(query) else { panic!("{query}") };
            assert_eq!(told.len(), faults, "{query}");
        }
    }
}
