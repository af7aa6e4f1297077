//! Products created, changed and retired by an administrator; the audit event is written in the same transaction.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::result::Error as DieselError;
use diesel_async::AsyncConnection;
use pulso_shared::clock::Clock;

use super::store::{self, Product, ProductValues};
use super::types::{NO_PRODUCT, ProductSettings};
use crate::audit::{self, AuditEvent};
use crate::db::DbPool;
use crate::http::error::{ApiError, violates};
use crate::http::extract::etag::IfMatch;
use crate::ids::{ProductId, SubjectId, UserId};

/// Creates a product.
pub async fn create(
    db: &DbPool,
    clock: &Clock,
    actor: UserId,
    settings: &ProductSettings,
) -> Result<Product, ApiError> {
    let (id, now) = (ProductId::generate(), clock.now());
    let mut connection = db.get().await?;
    let created = connection.transaction(async |connection| {
        let inserted = store::insert_product(connection, id, ProductValues::new(settings, now), None);
        let product = inserted.await.map_err(product_error)?.ok_or(NO_PRODUCT)?;
        audit::record(connection, now, audit_event(actor, "product.created", None, Some(&product))).await?;
        Ok(product)
    });
    created.await
}

const STOCK_HAS_CHANGED: ApiError = ApiError::PreconditionRequired(
    "There are not as many pieces in stock as the body says, since some were sold or added: \
     read the product again, and send its ETag as If-Match to set the stock.",
);

/// Replaces what an administrator decides of a product. Only who names the version that they have read may set another
/// stock: any other would restore what was sold since their form was filled.
pub async fn replace(
    db: &DbPool,
    clock: &Clock,
    actor: UserId,
    id: ProductId,
    if_match: &IfMatch,
    settings: &ProductSettings,
) -> Result<Product, ApiError> {
    let now = clock.now();
    let mut connection = db.get().await?;
    let replaced = connection.transaction(async |connection| {
        let before = store::lock_product(connection, id).await?.ok_or(NO_PRODUCT)?;
        if_match.check(before.updated_at)?;
        if *if_match == IfMatch::Absent && settings.stock.get() != before.stock {
            return Err(STOCK_HAS_CHANGED);
        }
        let values = ProductValues::new(settings, later(now, &before));
        let after = store::update_product(connection, id, values, None).await.map_err(product_error)?;
        audit::record(connection, now, audit_event(actor, "product.changed", Some(&before), Some(&after))).await?;
        Ok(after)
    });
    replaced.await
}

/// Retires a product: it leaves the catalogue; orders keep it.
pub async fn retire(
    db: &DbPool,
    clock: &Clock,
    actor: UserId,
    id: ProductId,
    if_match: &IfMatch,
) -> Result<(), ApiError> {
    let now = clock.now();
    let mut connection = db.get().await?;
    let retired = connection.transaction(async |connection| {
        let before = store::lock_product(connection, id).await?.ok_or(NO_PRODUCT)?;
        if_match.check(before.updated_at)?;
        store::retire_product(connection, id, later(now, &before)).await?;
        audit::record(connection, now, audit_event(actor, "product.retired", Some(&before), None)).await?;
        Ok(())
    });
    retired.await
}

/// The instant of a product's next version, greater than the last one even on a clock that was set back.
pub fn later(now: DateTime<Utc>, before: &Product) -> DateTime<Utc> {
    now.max(before.updated_at + TimeDelta::microseconds(1))
}

/// The audit event of a change of a product.
pub fn audit_event(
    actor: UserId,
    action: &'static str,
    before: Option<&Product>,
    after: Option<&Product>,
) -> AuditEvent {
    let subject = before.or(after).map_or_else(SubjectId::generate, |product| product.id.as_uuid().into());
    let shown = |product: Option<&Product>| product.and_then(|product| serde_json::to_value(product).ok());
    AuditEvent { actor, action, subject, before: shown(before), after: shown(after) }
}

/// Names the constraint that a write violates, where it is the caller's fault.
pub fn product_error(error: DieselError) -> ApiError {
    if violates(&error, "products_sku_key") {
        ApiError::Conflict("Another product has this SKU.")
    } else {
        error.into()
    }
}
