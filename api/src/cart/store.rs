//! Carts in PostgreSQL.

use chrono::{DateTime, Utc};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};

use crate::ids::{ProductId, UserId};
use crate::schema::{cart_items, carts, products};

/// A line of a cart, and the product as it is now.
#[derive(Debug, Clone, Queryable, Selectable)]
#[diesel(table_name = products, check_for_backend(Pg))]
pub struct LineRow {
    #[diesel(column_name = id)]
    pub product_id: ProductId,
    #[diesel(select_expression = cart_items::quantity)]
    pub quantity: i32,
    pub title: String,
    pub price_minor: i64,
    pub currency: String,
    pub stock: i32,
    /// Whether each one shipped becomes a device.
    pub is_device: bool,
    pub image_url: Option<String>,
    /// Since when it can no longer be had.
    pub retired_at: Option<DateTime<Utc>>,
}

/// Locks a user's cart until the transaction ends; creates it where there is none. Without the user it violates
/// `carts_user_id_fkey`.
pub async fn lock(connection: &mut AsyncPgConnection, user: UserId, now: DateTime<Utc>) -> QueryResult<()> {
    let cart = (carts::user_id.eq(user), carts::updated_at.eq(now));
    let insert = diesel::insert_into(carts::table).values(cart);
    let touch = insert.on_conflict(carts::user_id).do_update().set(carts::updated_at.eq(now));
    touch.execute(connection).await.map(|_| ())
}

/// What is in a user's cart, in the order in which it was put in.
pub async fn list_lines(connection: &mut AsyncPgConnection, user: UserId) -> QueryResult<Vec<LineRow>> {
    let query = cart_items::table.inner_join(products::table).filter(cart_items::user_id.eq(user));
    let query = query.order((cart_items::added_at, cart_items::product_id));
    query.select(LineRow::as_select()).load(connection).await
}

/// The products in a user's locked cart and how many of each, in the order of their ids.
pub async fn list_wanted(connection: &mut AsyncPgConnection, user: UserId) -> QueryResult<Vec<(ProductId, i32)>> {
    let query = cart_items::table.filter(cart_items::user_id.eq(user)).order(cart_items::product_id);
    query.select((cart_items::product_id, cart_items::quantity)).load(connection).await
}

/// Says how many of a product are in a locked cart.
pub async fn upsert_item(
    connection: &mut AsyncPgConnection,
    user: UserId,
    product: ProductId,
    quantity: i32,
    now: DateTime<Utc>,
) -> QueryResult<()> {
    let quantity = cart_items::quantity.eq(quantity);
    let item =
        (cart_items::user_id.eq(user), cart_items::product_id.eq(product), quantity, cart_items::added_at.eq(now));
    let insert = diesel::insert_into(cart_items::table).values(item);
    let upsert = insert.on_conflict((cart_items::user_id, cart_items::product_id)).do_update().set(quantity);
    upsert.execute(connection).await.map(|_| ())
}

/// How many products are in a cart.
pub async fn count_lines(connection: &mut AsyncPgConnection, user: UserId) -> QueryResult<i64> {
    cart_items::table.filter(cart_items::user_id.eq(user)).count().get_result(connection).await
}

/// Takes a product out of a locked cart; `false` when it was not in it.
pub async fn delete_item(connection: &mut AsyncPgConnection, user: UserId, product: ProductId) -> QueryResult<bool> {
    let item = cart_items::table.find((user, product));
    diesel::delete(item).execute(connection).await.map(|rows| rows == 1)
}

/// Takes everything out of a locked cart.
pub async fn empty(connection: &mut AsyncPgConnection, user: UserId) -> QueryResult<()> {
    let items = cart_items::table.filter(cart_items::user_id.eq(user));
    diesel::delete(items).execute(connection).await.map(|_| ())
}
