//! The catalogue read.

use super::list_query::{ProductCursor, ProductFilter, Sort, SortKey};
use super::store::{self, BestSeller, CategoryCount, Product};
use super::types::NO_PRODUCT;
use crate::db::DbPool;
use crate::http::error::ApiError;
use crate::http::extract::page::Page;
use crate::ids::ProductId;
use crate::rate_limit::HeavyDb;

/// A page of products, and one more where there is a next page.
pub async fn list(
    db: &HeavyDb,
    filter: &ProductFilter,
    sort: Sort,
    page: &Page<ProductCursor>,
) -> Result<Vec<Product>, ApiError> {
    let (after, limit) = (page.after.as_ref(), page.fetch_limit());
    db.run(async |connection| Ok(store::list_products(connection, filter, sort, after, limit).await?)).await
}

/// Where a list in this order goes on behind a product.
pub fn cursor_behind(product: &Product, sort: Sort) -> ProductCursor {
    let key = match sort {
        Sort::Price | Sort::PriceDescending => SortKey::Price(product.price_minor),
        Sort::Name => SortKey::Title(product.title.clone()),
        Sort::Newest => SortKey::Id,
    };
    ProductCursor { key, id: product.id }
}

/// The categories, by name.
pub async fn list_categories(db: &HeavyDb) -> Result<Vec<CategoryCount>, ApiError> {
    db.run(async |connection| Ok(store::list_categories(connection).await?)).await
}

/// The most ordered products.
pub async fn list_best_sellers(db: &HeavyDb, limit: u16) -> Result<Vec<BestSeller>, ApiError> {
    db.run(async |connection| Ok(store::list_best_sellers(connection, limit.into()).await?)).await
}

/// A product that is not retired.
pub async fn find(db: &DbPool, id: ProductId) -> Result<Product, ApiError> {
    store::find_product(&mut *db.get().await?, id).await?.ok_or(NO_PRODUCT)
}
