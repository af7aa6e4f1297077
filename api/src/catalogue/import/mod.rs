//! The import of a feed, item by item. Each item is a transaction of its own, so that a bad one does not keep the others
//! out and only one product is locked at a time. An import that was interrupted can be repeated.

pub mod feed;
pub mod source;

use std::collections::HashSet;

use diesel_async::{AsyncConnection, AsyncPgConnection};
use pulso_shared::clock::Clock;
use serde::Serialize;
use utoipa::ToSchema;

use self::feed::{Feed, FeedItem};
use self::source::FeedSource;
use super::commands::{audit_event, later, product_error};
use super::store::{self, Origin, ProductValues};
use crate::audit;
use crate::db::DbPool;
use crate::http::error::{ApiError, FieldError, MAX_FAULTS};
use crate::ids::{ProductId, UserId};

/// An item that was not taken over.
#[derive(Debug, Serialize, ToSchema)]
pub struct RejectedProduct {
    /// Its place in the feed, from 0.
    pub index: usize,
    /// Everything that is wrong with it; a response lists 100 faults, and then the items only.
    pub errors: Vec<FieldError>,
}

/// What became of a feed's items.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct ImportResponse {
    /// How many products are new.
    #[schema(example = 30)]
    pub created: usize,
    /// How many were changed.
    pub updated: usize,
    /// How many the feed says the same of as last time.
    pub unchanged: usize,
    /// Those that were not taken over.
    pub rejected: Vec<RejectedProduct>,
}

enum Outcome {
    Created,
    Updated,
    Unchanged,
}

/// Imports a feed: 422 when no item is valid, 503 when it cannot be fetched.
pub async fn import(
    db: &DbPool,
    clock: &Clock,
    source: &FeedSource,
    actor: UserId,
    feed: Feed,
) -> Result<ImportResponse, ApiError> {
    let items = match feed.products {
        Some(items) => items,
        None => source.fetch().await?,
    };
    let mut response = ImportResponse::default();
    let (mut seen, mut faults) = (HashSet::new(), 0_usize);
    let mut connection = db.get().await?;
    for (index, item) in items.into_iter().enumerate() {
        let outcome = match feed::read_item(item, &mut seen) {
            Ok(item) => take_over(&mut connection, clock, actor, &feed.source, &item).await,
            Err(errors) => Err(ApiError::Validation(errors)),
        };
        match outcome {
            Ok(Outcome::Created) => response.created += 1,
            Ok(Outcome::Updated) => response.updated += 1,
            Ok(Outcome::Unchanged) => response.unchanged += 1,
            Err(ApiError::Validation(mut errors)) => {
                errors.truncate(MAX_FAULTS.saturating_sub(faults));
                faults = faults.saturating_add(errors.len());
                response.rejected.push(RejectedProduct { index, errors });
            }
            Err(other) => return Err(other),
        }
    }
    refuse_if_none_is_good(response)
}

async fn take_over(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    actor: UserId,
    source: &str,
    item: &FeedItem,
) -> Result<Outcome, ApiError> {
    let taken = connection.transaction(async |connection| upsert(connection, clock, actor, source, item).await);
    taken.await.map_err(|error| match error {
        ApiError::Conflict(_) => ApiError::field("sku", "taken", "is another product's"),
        other => other,
    })
}

async fn upsert(
    connection: &mut AsyncPgConnection,
    clock: &Clock,
    actor: UserId,
    source: &str,
    item: &FeedItem,
) -> Result<Outcome, ApiError> {
    let (now, id) = (clock.now(), ProductId::generate());
    let origin = Some(Origin { source, external_id: &item.external_id, import_digest: &item.digest });
    let values = ProductValues::new(&item.settings, now);
    let inserted = store::insert_product(connection, id, values, origin).await.map_err(product_error)?;
    if let Some(product) = inserted {
        audit::record(connection, now, audit_event(actor, "product.imported", None, Some(&product))).await?;
        return Ok(Outcome::Created);
    }
    let (before, digest) = store::lock_imported(connection, source, &item.external_id).await?;
    if digest.as_ref() == Some(&item.digest) {
        return Ok(Outcome::Unchanged);
    }
    let values = ProductValues::new(&item.settings, later(now, &before));
    let after = store::update_product(connection, before.id, values, origin).await.map_err(product_error)?;
    audit::record(connection, now, audit_event(actor, "product.imported", Some(&before), Some(&after))).await?;
    Ok(Outcome::Updated)
}

fn refuse_if_none_is_good(response: ImportResponse) -> Result<ImportResponse, ApiError> {
    let good = response.created + response.updated + response.unchanged;
    if good > 0 || response.rejected.is_empty() {
        return Ok(response);
    }
    let located = |(index, error): (usize, FieldError)| FieldError {
        pointer: format!("/products/{index}{}", error.pointer),
        ..error
    };
    let unlisted = response.rejected.iter().filter(|item| item.errors.is_empty()).count();
    let faults = response.rejected.into_iter().flat_map(|item| item.errors.into_iter().map(move |e| (item.index, e)));
    let mut faults: Vec<_> = faults.map(located).collect();
    if unlisted > 0 {
        faults.truncate(MAX_FAULTS - 1);
        faults.push(FieldError::more(format!(
            "judging stopped at {MAX_FAULTS} faults; {unlisted} more products are not valid"
        )));
    }
    Err(ApiError::Validation(faults))
}
