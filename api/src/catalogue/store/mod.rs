//! The catalogue in PostgreSQL.

mod list_query;
mod products;

pub use list_query::{BestSeller, CategoryCount, list_best_sellers, list_categories, list_products};
pub use products::{
    LockedProduct, Origin, Product, ProductValues, find_product, insert_product, lock_imported, lock_product,
    lock_products, move_stock, retire_product, update_product,
};
