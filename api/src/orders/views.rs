//! Orders with their lines and their steps.

use std::collections::HashMap;
use std::hash::Hash;

use crate::ids::OrderId;
use diesel::QueryResult;
use diesel_async::AsyncPgConnection;

use super::answer::OrderResponse;
use super::store::{self, OrderRow};

/// Orders as they are shown, in three queries however many they are.
///
/// # Errors
/// The database's.
pub async fn show(connection: &mut AsyncPgConnection, rows: Vec<OrderRow>) -> QueryResult<Vec<OrderResponse>> {
    let ids: Vec<OrderId> = rows.iter().map(|row| row.id).collect();
    let mut items = grouped(store::list_items(connection, &ids).await?, |item| item.order_id);
    let mut changes = grouped(store::list_status_changes(connection, &ids).await?, |change| change.order_id);
    let mut answer = |row: OrderRow| {
        let (items, changes) = (items.remove(&row.id), changes.remove(&row.id));
        OrderResponse::new(row, items.unwrap_or_default(), changes.unwrap_or_default())
    };
    Ok(rows.into_iter().map(&mut answer).collect())
}

/// One order as it is shown.
///
/// # Errors
/// The database's.
pub async fn show_one(connection: &mut AsyncPgConnection, row: OrderRow) -> QueryResult<OrderResponse> {
    show(connection, vec![row]).await?.pop().ok_or(diesel::NotFound)
}

fn grouped<K: Eq + Hash, T>(rows: Vec<T>, key: impl Fn(&T) -> K) -> HashMap<K, Vec<T>> {
    let mut groups: HashMap<K, Vec<T>> = HashMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(row);
    }
    groups
}
