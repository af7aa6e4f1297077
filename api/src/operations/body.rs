//! What comes in.

use std::collections::BTreeSet;

use pulso_shared::amqp::dead_letters::Choice;
use pulso_shared::ids::DeadLetterId;
use utoipa::ToSchema;

use crate::http::extract::json::{Fields, FromFields};

/// Most ids in one request: as many as a list can show.
const MAX_IDS: usize = 1_000;

/// Which dead letters to put back; no body at all means all.
#[derive(ToSchema)]
#[schema(example = json!({"ids": ["01JD3ZK8M4T0Q2V6X9Y7B5C1RA"]}))]
pub struct ReplayBody {
    /// These; left out or `null`: all that are there now.
    #[schema(max_items = 1000)]
    ids: Option<Vec<DeadLetterId>>,
}

impl FromFields for ReplayBody {
    const MAY_BE_EMPTY: bool = true;

    fn from_fields(fields: &mut Fields) -> Option<Self> {
        let ids: Option<Vec<_>> = fields.optional("ids");
        if ids.as_ref().is_some_and(|ids| ids.len() > MAX_IDS) {
            fields.fault("ids", "too_many", format!("must be at most {MAX_IDS}"));
        }
        Some(Self { ids })
    }
}

impl ReplayBody {
    /// What it means.
    pub fn choice(self) -> Choice {
        self.ids.map_or(Choice::All, |ids| Choice::Only(BTreeSet::from_iter(ids)))
    }
}
