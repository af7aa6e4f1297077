//! Finds whose readings are asked for, and how they are exported.

use pulso_shared::clock::Clock;
use pulso_shared::ids::DeviceId;

use super::means::MeanChunks;
use super::raw::RawChunks;
use super::response_cache::{CacheKey, ResponseCache};
use super::stream::{ChunkSource, Export};
use super::types::{DataRequest, Interval};
use crate::aggregation::Scope;
use crate::history::Reader;
use crate::http::error::ApiError;
use crate::http::extract::etag::TaggedBody;
use crate::ids::UserId;
use crate::rate_limit::HeavyDb;

/// The readings of `user`'s devices, or their means.
pub async fn export(
    db: &HeavyDb,
    clock: Clock,
    cache: &ResponseCache,
    user: UserId,
    request: DataRequest,
) -> Result<Export, ApiError> {
    let scope = find_scope(db, user, request.server).await?;
    match request.aggregation {
        None => {
            let mut rows = RawChunks::begin(db.clone(), scope, &request).await?;
            Ok(Export::of_chunks(first_chunk(&mut rows).await?, rows))
        }
        Some(interval) => export_means(db, clock, cache, CacheKey { scope, request }, interval).await,
    }
}

async fn find_scope(db: &HeavyDb, user: UserId, server: Option<DeviceId>) -> Result<Scope, ApiError> {
    let Some(server) = server else { return Ok(Scope::Owner(user)) };
    let device = db.run(async |connection| Reader::User(user).find(connection, server).await).await;
    device.map(|device| Scope::Device(device.id)).map_err(|error| match error {
        ApiError::NotFound(_) => ApiError::NotFound("server"),
        other => other,
    })
}

/// The means, from the cache where they are in it and still valid.
async fn export_means(
    db: &HeavyDb,
    clock: Clock,
    cache: &ResponseCache,
    key: CacheKey,
    interval: Interval,
) -> Result<Export, ApiError> {
    if let Some(cached) = cache.find(db, &key).await? {
        return Ok(Export::Whole(cached));
    }
    let mut means = MeanChunks::new(db.clone(), clock, key.scope, interval.step(), &key.request);
    let first = first_chunk(&mut means).await?;
    let Some(version) = means.version() else { return Ok(Export::of_chunks(first, means)) };
    let body = TaggedBody::new(first);
    cache.insert(key, version, body.clone()).await;
    Ok(Export::Whole(body))
}

async fn first_chunk(source: &mut impl ChunkSource) -> Result<actix_web::web::Bytes, ApiError> {
    Ok(source.next().await?.unwrap_or_default())
}
