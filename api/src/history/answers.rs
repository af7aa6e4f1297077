//! Finished answers about times that are over, kept in memory: a chart of last month is asked for again and again, and
//! never changes. What is kept is only given when the database says that its [`Version`] is still the same.

use std::time::Duration;

use crate::db::DbPool;
use moka::future::Cache;
use pulso_shared::rollup::Source;

use super::data_query::DataWanted;
use super::partials::Scope;
use super::version::{self, Version};
use crate::http::error::ApiError;
use crate::http::extract::etag::Tagged;
use crate::http::metrics::READING;

/// An answer that nobody has asked for during this time makes room.
const IDLE: Duration = Duration::from_secs(15 * 60);
/// What an answer takes beside its bytes, roughly.
const OVERHEAD_BYTES: usize = 500;

/// What was asked for, and whose.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    /// Whose rows.
    pub scope: Scope,
    /// Which of their readings, and what of them.
    pub wanted: DataWanted,
}

/// An answer, and of what it is the answer.
#[derive(Clone)]
struct Kept {
    version: Version,
    answer: Tagged,
}

/// All that are kept, in one process.
pub struct Answers(Cache<Question, Kept>);

impl Answers {
    /// Room for so many bytes; none for 0.
    #[must_use]
    pub fn new(most_bytes: u64) -> Self {
        let weight = |_: &Question, kept: &Kept| {
            u32::try_from(kept.answer.size().saturating_add(OVERHEAD_BYTES)).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(most_bytes).weigher(weight).time_to_idle(IDLE).build())
    }

    /// The answer, where it is kept and still true.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn find(&self, db: &DbPool, question: &Question) -> Result<Option<Tagged>, ApiError> {
        let Some(kept) = self.0.get(question).await else { return Ok(None) };
        let time = (question.wanted.from, question.wanted.to);
        let version = version::load(&mut *db.get().await?, Source::Readings, question.scope, time).await?;
        if version.as_ref() != Some(&kept.version) {
            return Ok(None);
        }
        READING.reused.increment(1);
        Ok(Some(kept.answer))
    }

    /// Keeps an answer that was made when its version was `version`.
    pub async fn keep(&self, question: Question, version: Version, answer: Tagged) {
        self.0.insert(question, Kept { version, answer: answer.compact() }).await;
    }
}
