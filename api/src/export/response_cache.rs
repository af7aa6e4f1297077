//! Responses about the past, cached in memory: a chart of last month is asked for again and again, and seldom changes.
//! An entry is invalid as soon as the database has another [`DataVersion`]; that is asked for each time.

use std::time::Duration;

use diesel_async::AsyncPgConnection;
use metrics::counter;
use moka::future::Cache;
use pulso_shared::rollup::Source;

use super::store::{self, DataVersion};
use super::types::DataRequest;
use crate::aggregation::Scope;
use crate::http::error::ApiError;
use crate::http::extract::etag::TaggedBody;
use crate::rate_limit::HeavyDb;

/// An entry that nobody has asked for during this time is dropped.
const IDLE: Duration = Duration::from_secs(15 * 60);
/// What an entry takes beside its bytes, roughly.
const OVERHEAD_BYTES: usize = 500;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CacheKey {
    pub scope: Scope,
    pub request: DataRequest,
}

#[derive(Clone)]
struct CachedResponse {
    version: DataVersion,
    body: TaggedBody,
}

/// The cache of one process.
pub struct ResponseCache(Cache<CacheKey, CachedResponse>);

impl ResponseCache {
    /// With room for so many bytes; 0: it stays empty.
    pub fn new(max_bytes: u64) -> Self {
        let weight = |_: &CacheKey, response: &CachedResponse| {
            u32::try_from(response.body.size().saturating_add(OVERHEAD_BYTES)).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(max_bytes).weigher(weight).time_to_idle(IDLE).build())
    }

    /// The response, where it is cached and still valid.
    pub async fn find(&self, db: &HeavyDb, key: &CacheKey) -> Result<Option<TaggedBody>, ApiError> {
        let Some(cached) = self.0.get(key).await else { return Ok(None) };
        let (scope, range) = (key.scope, key.request.range);
        let find = async |connection: &mut AsyncPgConnection| {
            Ok(store::find_version(connection, Source::Readings, scope, range).await?)
        };
        let version = db.run(find).await?;
        if version.as_ref() != Some(&cached.version) {
            return Ok(None);
        }
        counter!("pulso_export_cache_hits_total").increment(1);
        Ok(Some(cached.body))
    }

    /// Adds a response to data of `version`.
    pub async fn insert(&self, key: CacheKey, version: DataVersion, body: TaggedBody) {
        self.0.insert(key, CachedResponse { version, body: body.compact() }).await;
    }
}
