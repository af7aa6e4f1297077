//! Products: their rows, locked and changed.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Array, Integer, Timestamptz, Uuid};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::types::{Category, ImageUrl, ProductDescription, ProductSettings, Sku};
use crate::ids::ProductId;
use crate::schema::products;

/// A product.
#[derive(Debug, Clone, Queryable, QueryableByName, Selectable, Serialize, ToSchema)]
#[diesel(table_name = products, check_for_backend(Pg))]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// What it is called.
    #[schema(example = "LoRa gateway")]
    pub title: String,
    /// What it is.
    pub description: Option<String>,
    /// What it belongs to.
    #[schema(example = "gateways")]
    pub category: Option<String>,
    /// What it costs, in minor units (cents) of the currency.
    #[schema(example = 12990)]
    pub price_minor: i64,
    /// In which currency (ISO 4217).
    #[schema(example = "EUR")]
    pub currency: String,
    /// How many there are.
    #[schema(example = 25)]
    pub stock: i32,
    /// Whether each one shipped is registered as a device of the buyer's.
    pub is_device: bool,
    /// Where its picture is.
    pub image_url: Option<String>,
    /// The seller's own number for it.
    pub sku: Option<String>,
    /// When it came into the catalogue.
    pub created_at: DateTime<Utc>,
    /// When it was last changed, by an administrator or by an order.
    pub updated_at: DateTime<Utc>,
}

/// A product that was locked, as whoever sells it needs to know it.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = products, check_for_backend(Pg))]
pub struct LockedProduct {
    /// Its id.
    pub id: ProductId,
    /// What it is called.
    pub title: String,
    /// The seller's own number for it.
    pub sku: Option<String>,
    /// What it costs.
    pub price_minor: i64,
    /// In which currency.
    pub currency: String,
    /// How many there are.
    pub stock: i32,
    /// Whether each one becomes a device.
    pub is_device: bool,
    /// Since when it can no longer be had.
    pub retired_at: Option<DateTime<Utc>>,
}

/// What an administrator decides of a product, to be written. What is left out is cleared.
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
    /// The row that says what `settings` say.
    #[must_use]
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

/// Where an imported product comes from, and what it looked like there.
#[derive(Clone, Copy, Insertable, AsChangeset)]
#[diesel(table_name = products)]
pub struct Origin<'a> {
    /// The feed.
    pub source: &'a str,
    /// Its id there.
    pub external_id: &'a str,
    /// SHA-256 of what the feed says of it.
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

/// A product that can be had.
pub async fn find_product(connection: &mut AsyncPgConnection, id: ProductId) -> QueryResult<Option<Product>> {
    let query = products::table.find(id).filter(products::retired_at.is_null());
    query.select(Product::as_select()).first(connection).await.optional()
}

/// A product that can be had, kept from changing until the transaction ends.
pub async fn lock_product(connection: &mut AsyncPgConnection, id: ProductId) -> QueryResult<Option<Product>> {
    let query = products::table.find(id).filter(products::retired_at.is_null());
    query.select(Product::as_select()).for_no_key_update().first(connection).await.optional()
}

/// The product of an origin, be it retired, and its digest; kept from changing until the transaction ends.
pub async fn lock_imported(
    connection: &mut AsyncPgConnection,
    source: &str,
    external_id: &str,
) -> QueryResult<(Product, Option<Vec<u8>>)> {
    let query = products::table.filter(products::source.eq(source)).filter(products::external_id.eq(external_id));
    let columns = (Product::as_select(), products::import_digest);
    query.select(columns).for_no_key_update().first(connection).await
}

/// Products, kept from changing until the transaction ends; retired ones too. Always in the order of their ids, so that
/// two who want the same ones never wait for each other.
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

/// Retires a product.
pub async fn retire_product(connection: &mut AsyncPgConnection, id: ProductId, at: DateTime<Utc>) -> QueryResult<()> {
    let retired = (products::retired_at.eq(at), products::updated_at.eq(at));
    diesel::update(products::table.find(id)).set(retired).execute(connection).await.map(|_| ())
}

/// Adds pieces to the stock of locked products, or takes them away; taking more than there are violates
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
