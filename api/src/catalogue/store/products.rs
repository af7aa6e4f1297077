//! Products: their rows, locked and changed.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Integer, Timestamptz, Uuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use utoipa::ToSchema;

use crate::catalogue::types::{Category, ImageUrl, ProductDescription, ProductSettings, Sku};
use crate::ids::ProductId;
use crate::schema::products;

/// A product.
#[derive(Debug, Clone, Queryable, QueryableByName, Selectable, Serialize, ToSchema)]
#[diesel(table_name = products, check_for_backend(Pg))]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Title, one line.
    #[schema(example = "LoRa gateway")]
    pub title: String,
    /// Description; may have several lines.
    pub description: Option<String>,
    /// Category; matched whatever its case.
    #[schema(example = "gateways")]
    pub category: Option<String>,
    /// Price in minor units (cents) of the currency.
    #[schema(example = 12990)]
    pub price_minor: i64,
    /// Currency (ISO 4217).
    #[schema(example = "EUR")]
    pub currency: String,
    /// Pieces in stock.
    #[schema(example = 25)]
    pub stock: i32,
    /// Whether each one shipped is registered as a device of the buyer's.
    pub is_device: bool,
    /// Address of a picture, http or https.
    pub image_url: Option<String>,
    /// The seller's own number (SKU).
    pub sku: Option<String>,
    /// When the product was created.
    pub created_at: DateTime<Utc>,
    /// When the product last changed, by an administrator or by an order.
    pub updated_at: DateTime<Utc>,
}

/// A locked product, as a sale needs it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = products, check_for_backend(Pg))]
pub struct LockedProduct {
    pub id: ProductId,
    pub title: String,
    pub sku: Option<String>,
    pub price_minor: i64,
    pub currency: String,
    pub stock: i32,
    /// Whether each one becomes a device.
    pub is_device: bool,
    pub retired_at: Option<DateTime<Utc>>,
}

/// Columns that an administrator decides; `None` clears.
#[derive(Insertable, AsChangeset)]
#[diesel(table_name = products, treat_none_as_null = true)]
pub struct ProductValues<'a> {
    title: &'a str,
    description: Option<&'a str>,
    category: Option<&'a str>,
    price_minor: i64,
    currency: &'a str,
    stock: i32,
    is_device: bool,
    image_url: Option<&'a str>,
    sku: Option<&'a str>,
    updated_at: DateTime<Utc>,
}

impl<'a> ProductValues<'a> {
    pub fn new(settings: &'a ProductSettings, updated_at: DateTime<Utc>) -> Self {
        Self {
            title: settings.title.as_str(),
            description: settings.description.as_ref().map(ProductDescription::as_str),
            category: settings.category.as_ref().map(Category::as_str),
            price_minor: settings.price_minor.get(),
            currency: settings.currency.as_str(),
            stock: settings.stock.get(),
            is_device: settings.is_device,
            image_url: settings.image_url.as_ref().map(ImageUrl::as_str),
            sku: settings.sku.as_ref().map(Sku::as_str),
            updated_at,
        }
    }
}

/// The feed that a product was imported from.
#[derive(Clone, Copy, Insertable, AsChangeset)]
#[diesel(table_name = products)]
pub struct Origin<'a> {
    pub source: &'a str,
    pub external_id: &'a str,
    /// SHA-256 of what is taken over from the feed.
    pub import_digest: &'a [u8],
}

/// Writes a new product; nothing, where one of the same origin is there already. A SKU that is taken violates
/// `products_sku_key`.
pub async fn insert_product(
    connection: &mut AsyncPgConnection,
    id: ProductId,
    values: ProductValues<'_>,
    origin: Option<Origin<'_>>,
) -> QueryResult<Option<Product>> {
    let created_at = products::created_at.eq(values.updated_at);
    diesel::insert_into(products::table)
        .values((products::id.eq(id), created_at, values, origin))
        .on_conflict((products::source, products::external_id))
        .do_nothing()
        .returning(Product::as_returning())
        .get_result(connection)
        .await
        .optional()
}

/// A product that is not retired.
pub async fn find_product(connection: &mut AsyncPgConnection, id: ProductId) -> QueryResult<Option<Product>> {
    let query = products::table.find(id).filter(products::retired_at.is_null());
    query.select(Product::as_select()).first(connection).await.optional()
}

/// A product that is not retired, locked until the transaction ends.
pub async fn lock_product(connection: &mut AsyncPgConnection, id: ProductId) -> QueryResult<Option<Product>> {
    let query = products::table.find(id).filter(products::retired_at.is_null());
    query.select(Product::as_select()).for_no_key_update().first(connection).await.optional()
}

/// The product of an origin, even if retired, and its digest; locked until the transaction ends.
pub async fn lock_imported(
    connection: &mut AsyncPgConnection,
    source: &str,
    external_id: &str,
) -> QueryResult<(Product, Option<Vec<u8>>)> {
    let query = products::table.filter(products::source.eq(source)).filter(products::external_id.eq(external_id));
    let columns = (Product::as_select(), products::import_digest);
    query.select(columns).for_no_key_update().first(connection).await
}

/// Products, even if retired, locked until the transaction ends. Always in the order of their ids, so that two
/// transactions never wait for each other.
pub async fn lock_products(connection: &mut AsyncPgConnection, ids: &[ProductId]) -> QueryResult<Vec<LockedProduct>> {
    let query = products::table.filter(products::id.eq_any(ids)).order(products::id);
    query.select(LockedProduct::as_select()).for_no_key_update().load(connection).await
}

/// Changes a product. A SKU that is taken violates `products_sku_key`.
pub async fn update_product(
    connection: &mut AsyncPgConnection,
    id: ProductId,
    values: ProductValues<'_>,
    origin: Option<Origin<'_>>,
) -> QueryResult<Product> {
    let update = diesel::update(products::table.find(id)).set((values, origin));
    update.returning(Product::as_returning()).get_result(connection).await
}

pub async fn retire_product(connection: &mut AsyncPgConnection, id: ProductId, at: DateTime<Utc>) -> QueryResult<()> {
    let retired = (products::retired_at.eq(at), products::updated_at.eq(at));
    diesel::update(products::table.find(id)).set(retired).execute(connection).await.map(|_| ())
}

/// Adds pieces to the stock of locked products, or takes them; taking more than there are violates
/// `products_stock_left`.
pub async fn move_stock(
    connection: &mut AsyncPgConnection,
    moved: &[(ProductId, i32)],
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let (ids, pieces): (Vec<_>, Vec<_>) = moved.iter().copied().unzip();
    sql_query(include_str!("move_stock.sql"))
        .bind::<Array<Uuid>, _>(ids)
        .bind::<Array<Integer>, _>(pieces)
        .bind::<Timestamptz, _>(now)
        .execute(connection)
        .await
        .map(|_| ())
}
