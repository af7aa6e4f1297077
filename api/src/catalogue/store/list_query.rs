//! Products as they are listed.

use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use utoipa::ToSchema;

use super::products::Product;
use crate::catalogue::list_query::{ProductCursor, ProductFilter, Sort, SortKey};
use crate::http::text::{escape_like, like_anywhere};
use crate::schema::products;

diesel::define_sql_function! {
    /// As the index of titles has them.
    fn lower(text: Text) -> Text;
}

/// A product that is often ordered.
#[derive(Debug, QueryableByName, Serialize, ToSchema)]
pub struct BestSeller {
    /// The product.
    #[diesel(embed)]
    #[serde(flatten)]
    pub product: Product,
    /// How many pieces of it were ordered; what was cancelled does not count.
    #[diesel(sql_type = BigInt)]
    #[schema(example = 42)]
    pub units_ordered: i64,
}

/// A category.
#[derive(Debug, Queryable, Serialize, ToSchema)]
pub struct CategoryCount {
    /// Its name.
    #[schema(example = "gateways")]
    pub category: Option<String>,
    /// How many products are in it.
    #[schema(example = 7)]
    pub products: i64,
}

/// A page of the products that are not retired.
pub async fn list_products(
    connection: &mut AsyncPgConnection,
    filter: &ProductFilter,
    sort: Sort,
    after: Option<&ProductCursor>,
    limit: i64,
) -> QueryResult<Vec<Product>> {
    let query = products::table.filter(products::retired_at.is_null()).select(Product::as_select());
    let mut query = query.limit(limit).into_boxed();
    if let Some(text) = &filter.text {
        // As SQL, so that the statement is planned for this text: see the devices'.
        let holds = sql::<Bool>("products.search_text LIKE lower(").bind::<Text, _>(like_anywhere(text.as_str()));
        query = query.filter(holds.sql(")"));
    }
    if let Some(category) = &filter.category {
        query = query.filter(products::category.ilike(escape_like(category.as_str())));
    }
    let query = match sort {
        Sort::Price => query.order((products::price_minor.asc(), products::id.asc())),
        Sort::PriceDescending => query.order((products::price_minor.desc(), products::id.desc())),
        Sort::Name => query.order((lower(products::title).asc(), products::id.asc())),
        Sort::Newest => query.order(products::id.desc()),
    };
    let Some(ProductCursor { key, id }) = after else {
        return query.load(connection).await;
    };
    // The first condition is for the index; the second leaves out products of the same key on earlier pages.
    let query = match (key, sort) {
        (SortKey::Price(minor), Sort::PriceDescending) => query
            .filter(products::price_minor.le(*minor))
            .filter(products::price_minor.lt(*minor).or(products::id.lt(*id))),
        (SortKey::Price(minor), _) => query
            .filter(products::price_minor.ge(*minor))
            .filter(products::price_minor.gt(*minor).or(products::id.gt(*id))),
        (SortKey::Title(title), _) => query
            .filter(lower(products::title).ge(lower(title)))
            .filter(lower(products::title).gt(lower(title)).or(products::id.gt(*id))),
        (SortKey::Id, _) => query.filter(products::id.lt(*id)),
    };
    query.load(connection).await
}

/// The categories, by name, and how many products are in each.
pub async fn list_categories(connection: &mut AsyncPgConnection) -> QueryResult<Vec<CategoryCount>> {
    let query = products::table.filter(products::retired_at.is_null()).filter(products::category.is_not_null());
    let query = query.group_by(products::category).select((products::category, count_star()));
    query.order(products::category).load(connection).await
}

/// Of the products that are not retired, those that were ordered most.
pub async fn list_best_sellers(connection: &mut AsyncPgConnection, limit: i64) -> QueryResult<Vec<BestSeller>> {
    sql_query(include_str!("most_ordered.sql")).bind::<BigInt, _>(limit).load(connection).await
}
